"""What a handler gets and gives: one call of the API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..documents import Json, Where
from .account import Account
from .forms import Tree
from .params import CreatedRange, ListParams, Params, parse

P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, past authentication. `base_url` is this server as the client reached it."""

    account: Account
    parameters: Tree
    path: dict[str, str]
    base_url: str
    publishable: bool

    def read(self, model: type[P]) -> P:
        """Raises StripeError when the parameters do not fit."""
        return parse(model, self.parameters)

    def answer(self, thing: Json, params: Params) -> Json:
        return self.account.expanded(thing, params.expand)

    def page(self, noun: str, params: ListParams, *conditions: Where) -> Json:
        """One page of a list, newest first, in Stripe's envelope."""
        for name in ("starting_after", "ending_before"):
            if (cursor := getattr(params, name)) is not None:
                self.account.load(noun, cursor, param=name)
        things = self.account.documents.find(
            noun,
            *conditions,
            *_created(params.created),
            older_than=params.starting_after,
            newer_than=params.ending_before,
            limit=params.limit + 1,
        )
        has_more = len(things) > params.limit
        if has_more:
            things = things[1:] if params.ending_before else things[:-1]
        paths = [path.removeprefix("data.") for path in params.expand]
        data = [self.account.expanded(thing, paths) for thing in things]
        return {"object": "list", "data": data, "has_more": has_more, "url": f"/v1/{noun}s"}


Handler = Callable[[Call], Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the route table. `publishable` ones also take a browser's publishable key."""

    method: str
    path: str
    handle: Handler
    publishable: bool = False


def retrieve(noun: str) -> Handler:
    def handle(call: Call) -> Json:
        params = call.read(Params)
        return call.answer(call.account.load(noun, call.path["id"]), params)

    return handle


def deleted(thing: Json) -> Json:
    return {"id": thing["id"], "object": thing["object"], "deleted": True}


def equal(**fields: str | None) -> list[Where]:
    """Conditions for the filters that were given."""
    return [Where(name, "=", value) for name, value in fields.items() if value is not None]


def _created(wanted: int | CreatedRange | None) -> list[Where]:
    if wanted is None:
        return []
    if isinstance(wanted, int):
        return [Where("created", "=", wanted)]
    bounds = {">": wanted.gt, ">=": wanted.gte, "<": wanted.lt, "<=": wanted.lte}
    return [Where("created", sign, value) for sign, value in bounds.items() if value is not None]  # type: ignore[arg-type]  # mypy widens the literal keys to str
