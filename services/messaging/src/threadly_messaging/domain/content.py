"""What may stand in a message: its length, its markup, its picture's address."""

import html
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import urlsplit

import nh3

from threadly_chassis.errors import Invalid

#: Characters after trimming (flows MS-05).
MAX_LENGTH = 1000
MAX_URL = 2048

_TAGS = {"b", "strong", "i", "em", "br", "p"}
#: Characters that show nothing: controls, formats (zero width), separators, surrogates.
_INVISIBLE = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
_KEPT_CONTROLS = "\n\t"
#: Where the markup breaks a line; nh3 writes these tags in exactly this form.
_BREAK = re.compile(r"<br>|</p>")


class MessageEmpty(Invalid):
    """Nothing in it can be seen (E095)."""

    code = "message_empty"
    title = "Write something first"


class MessageTooLong(Invalid):
    """More than 1000 characters (E095)."""

    code = "message_too_long"
    title = "The message is too long"


class MessageMalformed(Invalid):
    """Characters that are no text, such as half of a surrogate pair."""

    code = "message_malformed"
    title = "The message holds something that is not text"


class ImageUrlRefused(Invalid):
    """Not the address of a picture on the web."""

    code = "image_url_invalid"
    title = "The picture's address cannot be used"


@dataclass(frozen=True, slots=True)
class CleanContent:
    """A message that may be stored: sanitised HTML, and the same without markup."""

    html: str
    text: str


def clean_content(content: str) -> CleanContent:
    """Trim, measure and sanitise what a person wrote (R-MSG-03).

    Raises `MessageEmpty`, `MessageTooLong` or `MessageMalformed`.
    """
    trimmed = _without_controls(content).strip()
    if len(trimmed) > MAX_LENGTH:
        raise MessageTooLong(
            f"At most {MAX_LENGTH} characters; this has {len(trimmed)}.", max_length=MAX_LENGTH
        )
    sanitised = nh3.clean(trimmed, tags=_TAGS, attributes={}).strip()
    with_breaks = _BREAK.sub("\n", sanitised)
    text = html.unescape(nh3.clean(with_breaks, tags=set())).strip()
    if not any(unicodedata.category(character) not in _INVISIBLE for character in text):
        raise MessageEmpty
    return CleanContent(sanitised, text)


def _without_controls(content: str) -> str:
    # PostgreSQL stores no NUL, and no encoder takes a lone surrogate, which JSON's \ud800 can smuggle in.
    if any(unicodedata.category(character) == "Cs" for character in content):
        raise MessageMalformed
    return "".join(c for c in content if unicodedata.category(c) != "Cc" or c in _KEPT_CONTROLS)


def clean_image_url(url: str | None) -> str | None:
    """Return the address as it may be stored; raises `ImageUrlRefused` for all but http and https."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ImageUrlRefused("It must begin with https:// or http:// and hold no spaces.")
    return url
