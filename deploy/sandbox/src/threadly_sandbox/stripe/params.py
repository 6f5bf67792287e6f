"""Reading a request's parameters with a model; what does not fit becomes one of Stripe's errors."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import Json, StripeError
from .forms import Tree, as_list


def _as_list(value: Any) -> Any:
    if value == "":
        return []
    return value if not isinstance(value, dict) else as_list(value)


T = TypeVar("T")
Items = Annotated[list[T], BeforeValidator(_as_list)]


class Fields(BaseModel):
    """Base of everything nested in a request: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Params(Fields):
    """Base of every request: each may say `expand`."""

    expand: Items[str] = []

    def given(self, *leave_out: str) -> Json:
        """Only what the client sent, as plain values."""
        return self.model_dump(exclude_unset=True, exclude={"expand", *leave_out})


def _unset_when_empty(value: Any) -> Any:
    return None if value == "" else value


def _empty_container(value: Any) -> Any:
    return {} if value == "" else value


Amount = Annotated[int, Field(ge=0)]
Text = Annotated[str | None, BeforeValidator(_unset_when_empty)]
"""An empty value unsets, as everywhere in Stripe's API."""
Metadata = Annotated[dict[str, str], BeforeValidator(_empty_container)]
"""Merged into what is stored; an empty value removes its key, an empty container removes all."""


class CreatedRange(Fields):
    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None


class ListParams(Params):
    """What every list takes: a page of 1 to 100 (default 10), newest first, from one side or the other."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: int | CreatedRange | None = None


P = TypeVar("P", bound=Params)


def parse(model: type[P], tree: Tree) -> P:
    """Read `tree` as `model`.

    Raises:
        StripeError: 400 `parameter_unknown`, `parameter_missing`, `parameter_invalid_integer`,
            `parameter_invalid_empty` or without a code, `param` naming the place in bracket form.

    """
    try:
        return model.model_validate(tree)
    except ValidationError as invalid:
        raise _explain(invalid) from None


_RANK = {"extra_forbidden": 0, "missing": 1}  # Stripe names an unknown parameter before anything else


def _explain(invalid: ValidationError) -> StripeError:
    problems = invalid.errors(include_url=False)
    problem = min(problems, key=lambda each: _RANK.get(each["type"], 2))
    name = _bracketed(problem["loc"])
    value = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return StripeError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
        case "missing":
            return StripeError.missing_param(name)
        case "int_parsing" | "int_type" | "int_from_float":
            return StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        case "literal_error":
            expected = problem.get("ctx", {}).get("expected", "").replace("'", "")
            return StripeError(f"Invalid {name}: must be one of {expected}", param=name)
        case "greater_than_equal" | "less_than_equal" if name != "limit":
            return StripeError("Invalid integer", code="parameter_invalid_integer", param=name)
        case _:
            return StripeError(f"Invalid {name}: {problem['msg']}", param=name)


def _bracketed(location: tuple[int | str, ...]) -> str:
    """`("card", "number")` is `card[number]`; names of a union's branches are left out."""
    first, *rest = [str(part) for part in location if part not in {"int", "CreatedRange"}] or [""]
    return first + "".join(f"[{part}]" for part in rest)


_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500


def merged_metadata(stored: Json, change: dict[str, str] | None) -> Json:
    """Apply a metadata change within Stripe's limits: 50 keys of 40 characters, values of 500.

    Raises:
        StripeError: a limit is passed.

    """
    if change is None:
        return stored
    for key, value in change.items():
        if len(key) > _MAX_KEY or len(value) > _MAX_VALUE:
            limit = f"keys can have up to {_MAX_KEY} characters, values up to {_MAX_VALUE}"
            raise StripeError(f"Invalid metadata: {limit}", param=f"metadata[{key}]")
    merged = {key: value for key, value in ({} if not change else stored | change).items() if value}
    if len(merged) > _MAX_KEYS:
        raise StripeError(f"You can only have up to {_MAX_KEYS} metadata keys.", param="metadata")
    return merged


CaptureMethod = Literal["automatic", "automatic_async", "manual"]
