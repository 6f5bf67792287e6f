"""Whom an event concerns, and in which words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from threadly_chassis.money import format_money
from threadly_contracts import Event
from threadly_contracts.messaging import MessageSent
from threadly_contracts.orders import OrderConfirmed, PaymentFailed, SaleRejected
from threadly_contracts.values import NotificationType

#: A message's beginning that a notice shows; the conversation has the rest.
EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Notice:
    """What one person is told in the app."""

    user_id: UUID
    type: NotificationType
    title: str
    message: str
    subject_id: UUID
    """What it leads to: the order, the checkout, the conversation."""


def excerpt(text: str) -> str:
    """The beginning of a text, cut at a word."""
    if len(text) <= EXCERPT:
        return text
    return text[:EXCERPT].rsplit(" ", 1)[0] + "…"


def _confirmed(event: OrderConfirmed) -> list[Notice]:
    amount = format_money(event.amount.amount_minor, event.amount.currency)
    return [
        Notice(
            event.buyer_id,
            NotificationType.ORDER,
            "Your order is confirmed",
            f"{event.product_title} is yours for {amount}.",
            event.order_id,
        ),
        Notice(
            event.seller_id,
            NotificationType.ORDER,
            "You sold an item",
            f"{event.product_title} was bought for {amount}. Please send it soon.",
            event.order_id,
        ),
    ]


def _payment_failed(event: PaymentFailed) -> list[Notice]:
    return [
        Notice(
            event.buyer_id,
            NotificationType.PAYMENT,
            "Your payment did not go through",
            event.message,
            event.checkout_id,
        )
    ]


def _rejected(event: SaleRejected) -> list[Notice]:
    amount = format_money(event.amount.amount_minor, event.amount.currency)
    return [
        Notice(
            event.buyer_id,
            NotificationType.PAYMENT,
            "Your money is on its way back",
            f"{event.product_title} could not be sold to you, so {amount} were refunded in full.",
            event.checkout_id,
        )
    ]


def _message(event: MessageSent) -> list[Notice]:
    return [
        Notice(
            event.recipient_id,
            NotificationType.MESSAGE,
            f"{event.sender_name or 'Somebody'} wrote to you",
            excerpt(event.content_text),
            event.conversation_id,
        )
    ]


_WORDS: Mapping[type[Event], Callable[[Any], list[Notice]]] = {
    OrderConfirmed: _confirmed,
    PaymentFailed: _payment_failed,
    SaleRejected: _rejected,
    MessageSent: _message,
}


def notices_for(event: Event) -> list[Notice]:
    """Everybody whom `event` concerns, with what they are told; raises `KeyError` for another event."""
    return _WORDS[type(event)](event)
