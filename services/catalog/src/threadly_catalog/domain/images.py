"""Where pictures may live, and how many an item has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from .errors import FieldInvalid
from .text import one_line

MOST_IMAGES = 10
_LONGEST_URL = 2048
_LONGEST_ALT = 200


@dataclass(frozen=True, slots=True)
class Image:
    """One picture of an item."""

    url: str
    alt: str | None = None


@dataclass(frozen=True, slots=True)
class ImageHosts:
    """Whose pictures are shown: `allowed` names and their subdomains over https, and `own_origin`.

    Browsers load a picture from wherever its URL points, so a stranger's host would learn who looks at
    what. A name matches whole or after a dot: `utfs.io.evil.example` contains `utfs.io` (peers §2.3).
    """

    allowed: tuple[str, ...]
    own_origin: str

    def may_serve(self, url: SplitResult) -> bool:
        """Whether a picture at `url` may be shown."""
        if f"{url.scheme}://{url.netloc}" == self.own_origin:
            return True
        host = url.hostname or ""
        named = any(host == name or host.endswith(f".{name}") for name in self.allowed)
        return url.scheme == "https" and url.port in {None, 443} and named


def _url(text: str, hosts: ImageHosts) -> str:
    # Browsers read a backslash as a slash and skip spaces and controls; Python does neither.
    if (
        len(text) > _LONGEST_URL
        or not text.isascii()
        or not text.isprintable()
        or set(text) & set("\\ \"'<>")
    ):
        raise FieldInvalid.of("images", "This is not the address of a picture.")
    try:
        url = urlsplit(text)
        url = url._replace(netloc=url.netloc.lower(), fragment="")
        allowed = "@" not in url.netloc and hosts.may_serve(url)
    except ValueError:
        allowed = False
    if not allowed:
        raise FieldInvalid.of("images", f"Pictures must be on one of: {', '.join(hosts.allowed)} (https).")
    return url.geturl()


def _alt(text: str | None) -> str | None:
    if text is None:
        return None
    cleaned = one_line(text)
    if len(cleaned) > _LONGEST_ALT:
        raise FieldInvalid.of("images", f"A picture's description has at most {_LONGEST_ALT} characters.")
    return cleaned or None


def clean_images(given: Sequence[Image], hosts: ImageHosts) -> tuple[Image, ...]:
    """Check every picture and fold duplicates, order kept (E061); raises `FieldInvalid`."""
    images = _folded(Image(_url(image.url, hosts), _alt(image.alt)) for image in given)
    if not 1 <= len(images) <= MOST_IMAGES:
        raise FieldInvalid.of("images", f"An item has 1 to {MOST_IMAGES} pictures.")
    return images


def _folded(images: Iterable[Image]) -> tuple[Image, ...]:
    first: dict[str, Image] = {}
    for image in images:
        first.setdefault(image.url, image)
    return tuple(first.values())
