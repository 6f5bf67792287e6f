"""The shapes that every API shares."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from ..money import format_money

Item = TypeVar("Item")


class RequestModel(BaseModel):
    """What a client sends: unknown fields are refused, so that a typo is never silently ignored (E014)."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
