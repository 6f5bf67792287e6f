"""The mails: which template goes to whom for an event, and what it says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from threadly_chassis.money import format_money
from threadly_contracts import Event
from threadly_contracts.orders import OrderConfirmed, SaleRejected

_templates = Environment(
    loader=PackageLoader("threadly_notifier", "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be composed for one person."""

    user_id: UUID
    template: str
    subject: str
    words: Mapping[str, str]


def _confirmed(event: OrderConfirmed) -> list[Letter]:
    words = {
        "title": event.product_title,
        "amount": format_money(event.amount.amount_minor, event.amount.currency),
        "order_id": str(event.order_id),
    }
    return [
        Letter(event.buyer_id, "order_confirmed", f"Your order is confirmed: {event.product_title}", words),
        Letter(event.seller_id, "item_sold", f"You sold {event.product_title}", words),
    ]


def _rejected(event: SaleRejected) -> list[Letter]:
    words = {
        "title": event.product_title,
        "amount": format_money(event.amount.amount_minor, event.amount.currency),
        "reason": event.reason,
    }
    return [
        Letter(
            event.buyer_id, "sale_rejected", f"Your money is on its way back: {event.product_title}", words
        )
    ]


_LETTERS: Mapping[type[Event], Callable[[Any], list[Letter]]] = {
    OrderConfirmed: _confirmed,
    SaleRejected: _rejected,
}


def letters_for(event: Event) -> list[Letter]:
    """The mails that `event` calls for; raises `KeyError` for another event."""
    return _LETTERS[type(event)](event)


def write(letter: Letter, greeting: str) -> tuple[str, str]:
    """The letter's plain text and its HTML, in which every word from outside is escaped."""
    words = {**letter.words, "greeting": greeting, "subject": letter.subject}
    return (
        _templates.get_template(f"{letter.template}.txt").render(words),
        _templates.get_template(f"{letter.template}.html").render(words),
    )


def one_line(subject: str) -> str:
    """A subject with every run of white space and control characters made one space (E103)."""
    return " ".join("".join(c if c.isprintable() else " " for c in subject).split())
