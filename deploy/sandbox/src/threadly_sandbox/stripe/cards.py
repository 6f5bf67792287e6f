"""Stripe's test cards and what happens when they are charged.

Source: https://docs.stripe.com/testing and https://docs.stripe.com/declines/codes.
"""

from dataclasses import dataclass
from typing import Literal

Behaviour = Literal["succeed", "decline", "authenticate"]
Aftermath = Literal["dispute", "refund_fails", "refund_pends"]


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a charge fails; `decline_code` only where Stripe sends one."""

    code: str
    message: str
    decline_code: str | None = None


@dataclass(frozen=True, slots=True)
class TestCard:
    """One of the test cards: what it looks like and how it behaves."""

    brand: str = "visa"
    number: str = "4242424242424242"
    behaviour: Behaviour = "succeed"
    decline: Decline | None = None
    aftermath: Aftermath | None = None
    dispute_reason: str = "fraudulent"


_DECLINED = "Your card was declined."


def _declined(number: str, decline_code: str, message: str = _DECLINED, brand: str = "visa") -> TestCard:
    return TestCard(brand, number, "decline", Decline("card_declined", message, decline_code))


def _refused(number: str, code: str, message: str) -> TestCard:
    return TestCard("visa", number, "decline", Decline(code, message, code))


_INSUFFICIENT = _declined("4000000000009995", "insufficient_funds", "Your card has insufficient funds.")
_LOST = _declined("4000000000009987", "lost_card")
_STOLEN = _declined("4000000000009979", "stolen_card")
_TOO_OFTEN = _declined(
    "4000000000006975",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
_EXPIRED = _refused("4000000000000069", "expired_card", "Your card has expired.")
_WRONG_CVC = _refused("4000000000000127", "incorrect_cvc", "Your card's security code is incorrect.")
_NETWORK = _refused(
    "4000000000000119",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
_GENERIC = _declined("4000000000000002", "generic_decline")
_FRAUD = _declined("4100000000000019", "fraudulent")
_CHALLENGE = TestCard(number="4000000000003220", behaviour="authenticate")
_ALWAYS_CHALLENGE = TestCard(number="4000002760003184", behaviour="authenticate")

TEST_CARDS: dict[str, TestCard] = {
    "pm_card_visa": TestCard(),
    "pm_card_visa_debit": TestCard(number="4000056655665556"),
    "pm_card_mastercard": TestCard("mastercard", "5555555555554444"),
    "pm_card_amex": TestCard("amex", "378282246310005"),
    "pm_card_bypassPending": TestCard(number="4000000000000077"),
    "pm_card_chargeDeclined": _GENERIC,
    "pm_card_chargeDeclinedInsufficientFunds": _INSUFFICIENT,
    "pm_card_chargeDeclinedLostCard": _LOST,
    "pm_card_chargeDeclinedStolenCard": _STOLEN,
    "pm_card_chargeDeclinedVelocityLimitExceeded": _TOO_OFTEN,
    "pm_card_chargeDeclinedExpiredCard": _EXPIRED,
    "pm_card_chargeDeclinedIncorrectCvc": _WRONG_CVC,
    "pm_card_chargeDeclinedProcessingError": _NETWORK,
    "pm_card_chargeDeclinedFraudulent": _FRAUD,
    "pm_card_chargeCustomerFail": _declined("4000000000000341", "generic_decline"),
    "pm_card_threeDSecure2Required": _CHALLENGE,
    "pm_card_authenticationRequired": _ALWAYS_CHALLENGE,
    "pm_card_createDispute": TestCard(number="4000000000000259", aftermath="dispute"),
    "pm_card_createDisputeProductNotReceived": TestCard(
        number="4000000000002685", aftermath="dispute", dispute_reason="product_not_received"
    ),
    "pm_card_createDisputeInquiry": TestCard(
        number="4000000000001976", aftermath="dispute", dispute_reason="inquiry"
    ),
    "pm_card_refundFail": TestCard(number="4000000000005126", aftermath="refund_fails"),
    "pm_card_pendingRefund": TestCard(number="4000000000007726", aftermath="refund_pends"),
}
# Several declines are also known with `visa_` in their name.
TEST_CARDS |= {
    name.replace("pm_card_", "pm_card_visa_"): card
    for name, card in TEST_CARDS.items()
    if name.startswith("pm_card_chargeDeclined")
}
_BY_NUMBER = {card.number: name for name, card in reversed(TEST_CARDS.items())} | {
    "4000002500003155": "pm_card_authenticationRequired",
    "4000000000003063": "pm_card_threeDSecure2Required",
}


def by_number(number: str) -> str | None:
    """The test payment method a raw card number stands for."""
    return _BY_NUMBER.get(number.replace(" ", "").replace("-", ""))
