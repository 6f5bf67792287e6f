"""Sanitising: examples, and what must hold for any text at all."""

import html
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from threadly_catalog.domain.text import markup, one_line, plain, says_something

PIECES = (
    "<script>", "</script>", "<scr", "ipt>", "<b>", "</b>", "<p>", "<br/>", "<ul><li>", "<svg onload=x>",
    "<img src=x ", "<foo ", "onerror=alert(1)", ">", "<", "</", "<!--", "-->", "<![CDATA[", "]]>",
    "<a href='", "javascript:alert(1)", "JaVa\tScript:", "https://threadly.example", "'>", '"',
    "&", "&lt;", "&#60;", "&#x3c", "&amp;", "&amp;lt;", "&#x202e;",
    "style=", "<style>", "<math>", "<mtext>", "<table>", "<textarea>", "<title>", "<noscript>", "<template>",
    "<iframe srcdoc=", "<3", " a < b ", "R&B", "text", "é", "שלום", "مرحبا", "👩‍👩‍👧",
    "\u202e", "\u2066", "\u200d",
    "\n", "\t", "\r\n", "\x0b", "\x7f", " ", "&nbsp;", "\u0338", "≮",
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    max_size=14,
).map("".join)
TAGS = {"a", "b", "blockquote", "br", "em", "i", "li", "ol", "p", "strong", "u", "ul"}


class _Reader(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.append((f"!--{data}", {}))

    def handle_decl(self, decl: str) -> None:
        self.tags.append((f"!{decl}", {}))

    def handle_pi(self, data: str) -> None:
        self.tags.append((f"?{data}", {}))


@given(TEXTS)
@example("<scr<script>ipt>alert(1)</scr</script>ipt>")
@example("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>")
@example(
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>"
)
@example("<a href='java\nscript:alert(1)'>x</a>")
def test_markup_holds_only_the_safe_subset(text: str) -> None:
    """R-CAT-04, E052: no script, no handler, no dangerous link, whatever was typed."""
    document = markup(text)
    assert "<script" not in document.lower()
    for tag, attributes in _Reader(document).tags:
        assert tag in TAGS
        assert set(attributes) <= ({"href", "rel"} if tag == "a" else set())
        assert (attributes.get("href") or "https:").startswith(("https:", "http:", "mailto:"))


@given(TEXTS)
def test_cleaning_what_is_clean_changes_nothing(text: str) -> None:
    """E053: clients send back what they were shown."""
    assert markup(markup(text)) == markup(text)
    assert plain(plain(text)) == plain(text)
    assert one_line(one_line(text)) == one_line(text)


@given(TEXTS)
def test_plain_text_reads_the_same_as_text_and_as_html(text: str) -> None:
    """E052, E053: safe in a page, in JSON and in mail, whether the reader escapes it or not."""
    words = plain(text)
    reader = _Reader(words)
    assert reader.tags == []
    assert "".join(reader.words) == words
    assert "\n" not in one_line(text)


@given(st.text(st.characters(exclude_characters="<>&", exclude_categories=["Cs", "Cc", "Cf"])))
def test_honest_words_are_kept(text: str) -> None:
    """E055, E053: whatever script they are written in."""
    kept = " ".join(html.unescape(markup(text)).split())
    assert kept == " ".join(one_line(text).split())
    assert one_line(text) == " ".join(unicodedata.normalize("NFC", text).split())


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("Levi's <3 & R&B", "Levi's <3 & R&B"),
        ("a < b", "a < b"),
        ("size <M or >S", "size < M or >S"),
        ("waist <M", "waist < M"),
        ("x<y and y>z", "x< y and y>z"),
        ("<foo onclick=alert(1)>Hat", "< foo onclick=alert(1)>Hat"),
        ("5 > 3 && 2 < 4", "5 > 3 && 2 < 4"),
        ("<b>Silk</b> dress", "Silk dress"),
        ("Silk<br>dress", "Silk dress"),
        ("AT&amp;T &lt;b&gt;shirt", "AT&T shirt"),
        ("&amp;amp;amp;lt;", "<"),
        ("<script>alert(1)</script>Coat", "Coat"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Coat", "Coat"),
        ("<svg><text>Coat</text></svg>Hat", "Hat"),
        ("<img src=x onerror=alert(1)", "< img src=x onerror=alert(1)"),
        ("\u202eevil\u202c coat", "evil coat"),
        ("&#x202e;evil coat", "evil coat"),
        ("a\u0000\u0007b".replace("\u0000", ""), "a b"),
        ("👩‍👩‍👧 set", "👩‍👩‍👧 set"),
        ("لباس می‌خواهم", "لباس می‌خواهم"),
        ("e\u0301te", "\u00e9te"),
    ],
)
def test_titles(typed: str, title: str) -> None:
    """E052, E053, E055."""
    assert one_line(typed) == title


def test_lines_are_kept_in_the_plain_form() -> None:
    listed = markup("<p>One</p><p>Two</p><ul><li>a<li>b</ul>x<br>y")
    assert plain(listed) == "One\nTwo\na\nb\n\nx\ny"
    assert plain("One\r\n\r\n\r\n\r\nTwo  words") == "One\n\nTwo words"


def test_text_nested_in_escapes_without_end_is_flattened() -> None:
    """A bound on the work: twenty passes, then what is left of the escapes goes."""
    deep = "&" + "amp;" * 400 + "lt;script>"
    assert "<" not in plain(deep)
    assert "&" not in plain(deep)
    assert plain(plain(deep)) == plain(deep)


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u200d", "!?...", "\u3164\u115f", "\u2800", "\u00a0"])
def test_what_says_nothing(text: str) -> None:
    """E056."""
    assert not says_something(text)


@pytest.mark.parametrize("text", ["a", "7", "ß", "着", "👗"])
def test_what_says_something(text: str) -> None:
    """E056."""
    assert says_something(text)
