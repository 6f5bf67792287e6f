"""What is refused as spam: too fast, the same again and again, links, deals outside of Threadly (E101).

The rules look at the text that a reader would see, with look-alikes folded (NFKC) and zero-width characters
dropped, since those are how such words are usually hidden.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import timedelta

from threadly_chassis.errors import Invalid

#: A fast human sends a dozen in a minute.
RATE_WINDOW = timedelta(minutes=1)
RATE_LIMIT = 20
#: The same words to other conversations, counted when they are long enough to be an advertisement.
REPEAT_WINDOW = timedelta(hours=1)
REPEAT_LIMIT = 4
REPEAT_MIN_LENGTH = 20

_ZERO_WIDTH = {"Cf"}
#: Without those that are words, for people forget the space after a full stop ("that's it.me too").
_TOP_LEVEL = r"com|net|org|biz|info|io|xyz|ru|ug|co\.[a-z]{2}"
_LINK = re.compile(
    rf"https?://|\bwww\.|\b[a-z0-9-]{{2,}}\.(?:{_TOP_LEVEL})\b(?!\.?\w)|\b[a-z0-9-]{{2,}}\.[a-z]{{2,}}/\w"
)
_EMAIL = re.compile(r"[a-z0-9._%+-]+\s?(?:@|\(at\)|\[at\])\s?[a-z0-9-]+\s?(?:\.|\(dot\)|\[dot\])\s?[a-z]{2,}")
#: International, or national with its leading zero; prices ("1,200,000") begin with neither.
_PHONE = re.compile(r"(?<![\w.,])(?:\+|00|0)\d(?:[ ./()-]{0,2}\d){7,13}(?!\d)")
_OUTSIDE = re.compile(
    r"\b(?:whats\s?app|telegram|viber|signal me|pay ?pal|venmo|cash ?app|zelle|western union|moneygram|"
    r"mobile money|mo?mo pay|bank transfer|pay me (?:on|via|by|through|directly|in cash)|"
    r"outside (?:of )?(?:threadly|the app|this app|the platform)|off[- ]platform)\b"
)


class SendingTooFast(Invalid):
    """Too many messages within a minute."""

    code = "sending_too_fast"
    title = "You are sending messages too fast"


class RepeatedMessage(Invalid):
    """The same text went to several others just now."""

    code = "repeated_message"
    title = "You sent this to several people already"


class LinkNotAllowed(Invalid):
    """The text leads out of Threadly."""

    code = "link_not_allowed"
    title = "Links cannot be sent"


class OffPlatformContact(Invalid):
    """The text arranges contact or payment outside of Threadly, where nobody is protected."""

    code = "off_platform_contact"
    title = "Keep contact and payment on Threadly"


@dataclass(frozen=True, slots=True)
class SenderHistory:
    """What the sender did lately.

    `sent` counts messages within `RATE_WINDOW`; `same_text_elsewhere` counts other conversations that got
    this text within `REPEAT_WINDOW`.
    """

    sent: int = 0
    same_text_elsewhere: int = 0


def fingerprint(text: str) -> str:
    """What two texts have in common when a reader would call them the same."""
    return " ".join(_as_read(text).split())


def refuse_spam(text: str, history: SenderHistory) -> None:
    """Let a message through, or raise the first rule that it breaks."""
    if history.sent >= RATE_LIMIT:
        raise SendingTooFast("Wait a minute.", retry_after=int(RATE_WINDOW.total_seconds()))
    seen = fingerprint(text)
    if len(seen) >= REPEAT_MIN_LENGTH and history.same_text_elsewhere >= REPEAT_LIMIT:
        raise RepeatedMessage("Write to each person in your own words.")
    if _EMAIL.search(seen) or _PHONE.search(seen) or _OUTSIDE.search(seen):
        raise OffPlatformContact("Leave out phone numbers, e-mail addresses and ways to pay elsewhere.")
    if _LINK.search(seen):
        raise LinkNotAllowed("Leave out the web address.")


def _as_read(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if unicodedata.category(c) not in _ZERO_WIDTH)
