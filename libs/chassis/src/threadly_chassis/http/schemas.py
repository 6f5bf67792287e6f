"""The shapes that every API shares."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from ..money import format_money

Item = TypeVar("Item")


def _is_storable(value: Any) -> bool:
    # Not recursive: JSON that is read 900 levels deep was a 500 here from 450 levels on.
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                    return False
            case dict() as parts:
                waiting.extend(parts.values())
            case list() as parts:
                waiting.extend(parts)
    return True


class RequestModel(BaseModel):
    """What a client sends: unknown fields are refused, so that a typo is never silently ignored (E014)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        """Refuse text that PostgreSQL or UTF-8 cannot hold: NUL and lone surrogates (E058)."""
        if not _is_storable(data):
            msg = "text may not contain NUL or half a character"
            raise ValueError(msg)
        return data


class ResponseModel(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class MoneyView(ResponseModel):
    """An amount as clients see it."""

    amount_minor: int
    currency: str
    formatted: str

    @classmethod
    def of(cls, amount_minor: int, currency: str) -> "MoneyView":
        """Format an amount."""
        return cls(
            amount_minor=amount_minor, currency=currency, formatted=format_money(amount_minor, currency)
        )


class Page(ResponseModel, Generic[Item]):
    """One page of a list; `next_cursor` is None on the last."""

    data: list[Item]
    next_cursor: str | None = None
