"""Sanitising: what people type becomes text that is safe wherever it is shown (R-CAT-04, E052 to E056).

Two forms. *Markup* is HTML with a small safe subset. *Plain* text is more than unescaped markup: it holds
no `<` that could open a tag and no character reference, so it reads the same whether a page inserts it as
text or as HTML, and nobody downstream can unescape it into something dangerous or escape it twice.
"""

import html
import re
import unicodedata

import nh3

_SAFE_TAGS = {"a", "b", "blockquote", "br", "em", "i", "li", "ol", "p", "strong", "u", "ul"}
_SAFE_SCHEMES = {"https", "http", "mailto"}
#: What stands inside these is program, style or another language, never the seller's words.
_DROPPED_WHOLE = {
    "iframe", "math", "noembed", "noframes", "noscript", "object", "script", "style", "svg", "template",
    "textarea", "title", "xmp",
}  # fmt: skip
_MARKUP = nh3.Cleaner(
    tags=_SAFE_TAGS,
    clean_content_tags=_DROPPED_WHOLE,
    attributes={"a": {"href"}},
    url_schemes=_SAFE_SCHEMES,
    link_rel="nofollow noopener noreferrer ugc",
)
_NO_MARKUP = nh3.Cleaner(tags=set(), clean_content_tags=_DROPPED_WHOLE, attributes={})
#: A cleaned text usually stays as it is at the second pass; deeper nests of escapes are no honest text.
_MAX_PASSES = 20

#: Elements that somebody may really mean as such, beside the safe ones and those dropped whole.
_OTHER_ELEMENTS = {
    "abbr", "address", "area", "article", "aside", "audio", "base", "body", "button", "canvas",
    "center", "cite", "code", "dd", "del", "details", "div", "dl", "dt", "embed", "fieldset", "figure",
    "font", "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header",
    "hr", "html", "img", "input", "ins", "label", "link", "main", "map", "mark", "marquee", "meta",
    "nav", "option", "picture", "plaintext", "pre", "q", "s", "section", "select", "small", "source",
    "span", "strike", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "tt", "var", "video",
}  # fmt: skip
_ELEMENT = "|".join(sorted(_SAFE_TAGS | _DROPPED_WHOLE | _OTHER_ELEMENTS))
#: A `<` that opens no element is a "less than" (size <M or >S): a space keeps every parser off the rest.
_LESS_THAN = re.compile(rf"<(?=[a-z/!?])(?!(?:[!?]|/?(?:{_ELEMENT})(?=[\s/>]))[^<>]*>)", re.IGNORECASE)
_LINE_END = re.compile(r"(?i)<br\s*/?>|</(?:p|li|blockquote|ul|ol)>")
_BLANK_LINES = re.compile(r"\n{3,}")
#: Embeddings, overrides and isolates: with them a name can be shown as another one (E055).
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROLS = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: Letters and symbols by category that nobody can see: Hangul fillers and the blank Braille pattern.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def _characters(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", _CONTROLS.sub(" ", _BIDI_CONTROLS.sub("", text)))


def _markup_once(text: str) -> str:
    return _characters(_MARKUP.clean(_LESS_THAN.sub("< ", text)))


def _plain_once(text: str) -> str:
    with_lines = _LINE_END.sub(lambda end: end.group() + "\n", _LESS_THAN.sub("< ", text))
    return _LESS_THAN.sub("< ", _characters(html.unescape(_NO_MARKUP.clean(with_lines))))


def markup(text: str) -> str:
    """Return the safe subset of HTML that `text` holds; cleaning it again changes nothing."""
    current = _characters(text).strip()
    for _ in range(_MAX_PASSES):
        cleaned = _markup_once(current).strip()
        if cleaned == current:
            return cleaned
        current = cleaned
    return html.escape(plain(current), quote=False)


def plain(text: str) -> str:
    """Return the words of HTML or text, line breaks kept, without markup or character references."""
    current = _characters(text)
    for _ in range(_MAX_PASSES):
        lines = (" ".join(line.split()) for line in _plain_once(current).split("\n"))
        cleaned = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
        if cleaned == current:
            return cleaned
        current = cleaned
    return re.sub("[<&]", "", current)


def one_line(text: str) -> str:
    """Return the words of HTML or text in one line."""
    return plain(" ".join(plain(text).split()))


def says_something(text: str) -> bool:
    """Whether a reader would see a letter, a digit or a picture: not only spaces and signs (E056)."""
    return any(
        character not in _INVISIBLE
        and (unicodedata.category(character)[0] in "LN" or unicodedata.category(character) == "So")
        for character in text
    )
