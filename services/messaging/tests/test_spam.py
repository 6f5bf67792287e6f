"""What is refused as spam (R-MSG-03, E101)."""

import pytest

from threadly_chassis.errors import ThreadlyError
from threadly_messaging.domain.spam import (
    LinkNotAllowed,
    OffPlatformContact,
    RepeatedMessage,
    SenderHistory,
    SendingTooFast,
    fingerprint,
    refuse_spam,
)

CALM = SenderHistory()


@pytest.mark.parametrize(
    "text",
    [
        "Is it still available?",
        "Would you take 1,200,000 UGX for it?",
        "I saw it for 100000000 elsewhere",
        "Size 38.5 or 39? Waist 70-72, length 100.",
        "That's it.me too. ok.no problem, e.g. tomorrow at 10.30",
        "My order is 01234567890123456",
        "I'll pay you via the app",
        "The label says 100% cotton & 40% off!",
    ],
)
def test_talk_about_clothes_passes(text: str) -> None:
    refuse_spam(text, CALM)


@pytest.mark.parametrize(
    "text",
    [
        "Call me on 0772 123 456",
        "+43 660 1234567",
        "00256772123456",
        "ada@example.com",
        "ada (at) example (dot) com",
        "ADA @ EXAMPLE . COM",
        "find me on WhatsApp",
        "what\u200bsapp",
        "\uff57\uff48\uff41\uff54\uff53\uff41\uff50\uff50",
        "I can send it by Western Union",
        "pay me on PayPal",
        "Pay me directly and I'll give you a discount",
        "let's do it outside of Threadly",
    ],
)
def test_contact_and_payment_elsewhere_are_refused(text: str) -> None:
    with pytest.raises(OffPlatformContact):
        refuse_spam(text, CALM)


@pytest.mark.parametrize(
    "text",
    ["https://evil.example/x", "www.evil.example", "evil.com", "shop.co.uk", "bit.ly/3abc", "EVIL.COM!"],
)
def test_links_are_refused(text: str) -> None:
    with pytest.raises(LinkNotAllowed):
        refuse_spam(text, CALM)


@pytest.mark.parametrize(
    ("history", "refusal"),
    [
        (SenderHistory(sent=19), None),
        (SenderHistory(sent=20), SendingTooFast),
        (SenderHistory(same_text_elsewhere=3), None),
        (SenderHistory(same_text_elsewhere=4), RepeatedMessage),
    ],
)
def test_the_limits_are_where_they_are_said_to_be(
    history: SenderHistory, refusal: type[ThreadlyError] | None
) -> None:
    text = "I have the best dresses of the city, look at my closet"
    if refusal is None:
        refuse_spam(text, history)
        return
    with pytest.raises(refusal):
        refuse_spam(text, history)


def test_short_words_may_be_said_to_everybody() -> None:
    refuse_spam("Thank you!", SenderHistory(same_text_elsewhere=50))


def test_the_same_words_in_another_dress_are_the_same() -> None:
    assert fingerprint("Look  at\nMY closet") == fingerprint("look at my clo\u200bset")
