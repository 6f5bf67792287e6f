"""What may stand in a message (R-MSG-03, E095)."""

import pytest

from threadly_chassis.errors import ThreadlyError
from threadly_messaging.domain.content import (
    ImageUrlRefused,
    MessageEmpty,
    MessageMalformed,
    MessageTooLong,
    clean_content,
    clean_image_url,
)


@pytest.mark.parametrize(
    ("written", "html", "text"),
    [
        ("  Hello  ", "Hello", "Hello"),
        ("a < b & c", "a &lt; b &amp; c", "a < b & c"),
        ("<b>Hi</b><script>steal()</script>", "<b>Hi</b>", "Hi"),
        ('<a href="javascript:x()">look</a>', "look", "look"),
        ('<img src=x onerror="x()">nice', "nice", "nice"),
        ('<b onclick="x()">Hi</b>', "<b>Hi</b>", "Hi"),
        ("&lt;script&gt;", "&lt;script&gt;", "<script>"),
        ("one<br>two", "one<br>two", "one\ntwo"),
        ("NUL\x00 and bell\x07", "NUL and bell", "NUL and bell"),
        ("x" * 1000, "x" * 1000, "x" * 1000),
        ("😀" * 1000, "😀" * 1000, "😀" * 1000),
    ],
)
def test_content_is_trimmed_and_sanitised(written: str, html: str, text: str) -> None:
    cleaned = clean_content(written)

    assert (cleaned.html, cleaned.text) == (html, text)


@pytest.mark.parametrize(
    ("written", "refusal"),
    [
        ("", MessageEmpty),
        (" \n\t ", MessageEmpty),
        ("\u200b\u2060\u00a0", MessageEmpty),
        ("&nbsp;", MessageEmpty),
        ("<p><br></p>", MessageEmpty),
        ("<script>x()</script>", MessageEmpty),
        ("x" * 1001, MessageTooLong),
        ("half \ud83d", MessageMalformed),
    ],
)
def test_what_cannot_be_shown_is_refused(written: str, refusal: type[ThreadlyError]) -> None:
    """E095: 1,001 characters, only spaces, nothing visible."""
    with pytest.raises(refusal):
        clean_content(written)


def test_spaces_around_do_not_count() -> None:
    assert clean_content(" " * 500 + "x" * 1000 + " ").text == "x" * 1000


@pytest.mark.parametrize("url", [None, "https://img.example/1.jpg?w=2", "http://127.0.0.1:9/x"])
def test_a_picture_on_the_web_is_accepted(url: str | None) -> None:
    assert clean_image_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "img.jpg",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "https://",
        "https://[::1",
        "https://a.example:99999/",
        "https://a.example/ x",
        "https://a.example/\n",
        "https://a.example/\ud800",
        "https://a.example/" + "x" * 3000,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ImageUrlRefused):
        clean_image_url(url)
