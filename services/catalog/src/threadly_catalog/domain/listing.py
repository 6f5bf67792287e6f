"""From what a seller typed to what is stored (R-CAT-02 to R-CAT-05): one cleaner per field, as a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from threadly_contracts.catalog import Condition

from .errors import FieldInvalid
from .images import Image, ImageHosts, clean_images
from .price import price_in_minor_units
from .text import markup, one_line, plain, says_something

TITLE_LENGTHS = (3, 100)
DESCRIPTION_LENGTHS = (10, 2000)
#: The longest of the short facts about an item (flows PR-26), in characters.
SHORT_FACTS = {"size": 20, "brand": 50, "color": 30, "material": 50}
#: Markup costs characters that nobody reads; the text inside obeys DESCRIPTION_LENGTHS.
LONGEST_MARKUP = 5 * DESCRIPTION_LENGTHS[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingRules:
    """What the settings decide about listings."""

    default_currency: str
    currencies: tuple[str, ...]
    image_hosts: ImageHosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A product's public face, checked and clean: the specification's ValidatedProduct, less its seller."""

    title: str
    description: str
    description_text: str
    price_minor: int
    currency: str
    original_price_minor: int | None
    category_id: UUID
    condition: Condition
    size: str | None
    brand: str | None
    color: str | None
    material: str | None
    images: tuple[Image, ...]


Cleaned = dict[str, Any]
_Cleaner = Callable[[Any, str, ListingRules], Cleaned]


def _check_length(field: str, text: str, lengths: tuple[int, int]) -> None:
    shortest, longest = lengths
    if not says_something(text):
        raise FieldInvalid.of(field, "This is empty.")
    if not shortest <= len(text) <= longest:
        raise FieldInvalid.of(field, f"It needs {shortest} to {longest} characters, it has {len(text)}.")


def _title(raw: str, _: str, __: ListingRules) -> Cleaned:
    title = one_line(raw)
    _check_length("title", title, TITLE_LENGTHS)
    return {"title": title}


def _description(raw: str, _: str, __: ListingRules) -> Cleaned:
    description = markup(raw)
    text = plain(description)
    _check_length("description", text, DESCRIPTION_LENGTHS)
    if len(description) > LONGEST_MARKUP:
        raise FieldInvalid.of("description", f"With its markup it is over {LONGEST_MARKUP} characters.")
    return {"description": description, "description_text": text}


def _price(raw: str | float, currency: str, _: ListingRules) -> Cleaned:
    return {"price_minor": price_in_minor_units("price", raw, currency)}


def _original_price(raw: str | float | None, currency: str, _: ListingRules) -> Cleaned:
    minor = None if raw is None else price_in_minor_units("original_price", raw, currency)
    return {"original_price_minor": minor}


def _images(raw: Sequence[Image], _: str, rules: ListingRules) -> Cleaned:
    return {"images": clean_images(raw, rules.image_hosts)}


def _short_fact(field: str) -> _Cleaner:
    def clean(raw: str | None, _: str, __: ListingRules) -> Cleaned:
        if raw is None:
            return {field: None}
        text = one_line(raw)
        if len(text) > SHORT_FACTS[field]:
            raise FieldInvalid.of(field, f"It has at most {SHORT_FACTS[field]} characters.")
        return {field: text if says_something(text) else None}

    return clean


def _as_it_is(field: str) -> _Cleaner:
    return lambda raw, _, __: {field: raw}


_CLEANERS: dict[str, _Cleaner] = {
    "title": _title,
    "description": _description,
    "price": _price,
    "original_price": _original_price,
    "images": _images,
    "category_id": _as_it_is("category_id"),
    "condition": _as_it_is("condition"),
    **{field: _short_fact(field) for field in SHORT_FACTS},
}


def clean_fields(given: Mapping[str, Any], currency: str, rules: ListingRules) -> Cleaned:
    """Clean the given fields of a listing, each by its rule; raises `FieldInvalid` or `PriceMalformed`."""
    cleaned: Cleaned = {}
    for field, raw in given.items():
        cleaned |= _CLEANERS[field](raw, currency, rules)
    return cleaned


def clean_listing(given: Mapping[str, Any], rules: ListingRules) -> Listing:
    """Clean a whole new listing; raises `FieldInvalid` or `PriceMalformed`."""
    fields = dict(given)
    currency = fields.pop("currency", None) or rules.default_currency
    if currency not in rules.currencies:
        raise FieldInvalid.of("currency", f"Prices are in one of: {', '.join(rules.currencies)}.")
    optional: Cleaned = dict.fromkeys(("original_price_minor", *SHORT_FACTS))
    listing = Listing(currency=currency, **optional | clean_fields(fields, currency, rules))
    check_original_price(listing.price_minor, listing.original_price_minor)
    return listing


def check_original_price(price_minor: int, original_price_minor: int | None) -> None:
    """Raise `FieldInvalid` when an item is said to have been cheaper when it was new."""
    if original_price_minor is not None and original_price_minor < price_minor:
        raise FieldInvalid.of("original_price", "It cannot be lower than the price.")
