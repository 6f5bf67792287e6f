import itertools

import pytest

from threadly_contracts.orders import CheckoutEnding
from threadly_orders.domain.checkout import ENDED_AS, LIVE, PAYABLE, CheckoutStatus, explain
from threadly_orders.domain.declines import in_human_words
from threadly_orders.domain.settlement import REASONS, Capture, Rejection, rejection_of

_GENERAL = in_human_words("generic_decline")


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "fraudulent", "pickup_card", "no_such_code"])
def test_a_thief_learns_nothing(code: str) -> None:
    """R-ORD-13: Stripe asks for the general words."""
    assert in_human_words(code) == _GENERAL


@pytest.mark.parametrize("code", ["insufficient_funds", "expired_card", "incorrect_cvc", "processing_error"])
def test_a_buyer_learns_what_to_do(code: str) -> None:
    """CO-23."""
    assert in_human_words(code) != _GENERAL
    assert code not in in_human_words(code)


def test_every_way_to_end_has_words() -> None:
    """R-APP-06: a checkout that is over says why, one on its way says nothing."""
    for ending, status in ENDED_AS.items():
        assert explain(status, ending, None)
    assert explain(CheckoutStatus.REJECTED, CheckoutEnding.EXPIRED, None) == explain(
        CheckoutStatus.REJECTED, None, None
    )
    assert explain(CheckoutStatus.OPEN, None, None) is None
    assert explain(CheckoutStatus.COMPLETED, CheckoutEnding.EXPIRED, None) is None
    assert explain(CheckoutStatus.PAYMENT_FAILED, None, "because") == "because"
    assert set(ENDED_AS) == set(CheckoutEnding)


def test_what_becomes_of_captured_money() -> None:
    """Every combination; money buys only what was agreed, and only once (E022, E026)."""
    yes_or_no = (True, False)
    for status, own, agreed, sellable in itertools.product(CheckoutStatus, yes_or_no, yes_or_no, yes_or_no):
        verdict = rejection_of(Capture(status, own, agreed, sellable))
        if verdict is None:
            assert own
            assert agreed
            assert status in PAYABLE or (status not in LIVE and sellable)
        else:
            assert verdict in REASONS
        if not own or status is CheckoutStatus.COMPLETED:
            assert verdict is Rejection.SECOND_PAYMENT
        elif not agreed:
            assert verdict is Rejection.AMOUNT_MISMATCH
        elif status not in PAYABLE and not sellable:
            assert verdict is Rejection.ITEM_GONE
        else:
            assert verdict is None
