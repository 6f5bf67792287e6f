"""Prices, pictures, categories, tags: the small rules."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadly_catalog.domain.categories import Category, forest, refuse_loop, slug_of
from threadly_catalog.domain.errors import CategoryLoop, FieldInvalid
from threadly_catalog.domain.images import Image, ImageHosts, clean_images
from threadly_catalog.domain.price import price_in_minor_units
from threadly_catalog.domain.tags import tags_of_product
from threadly_chassis.money import PriceMalformed

HOSTS = ImageHosts(("utfs.io", "images.unsplash.com"), "http://127.0.0.1:3002")


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        ("0.01", "EUR", 1),
        ("999999.99", "EUR", 99_999_999),
        ("25.5", "EUR", 2550),
        (25, "EUR", 2500),
        (25.1, "EUR", 2510),
        (1e3, "EUR", 100_000),
        (0.07, "EUR", 7),
        ("1", "JPY", 1),
        ("999999", "JPY", 999_999),
        ("1.234", "KWD", 1234),
    ],
)
def test_prices(price: str | float, currency: str, minor: int) -> None:
    """R-CAT-05, E047, E049: exact, in the currency's own minor unit."""
    assert price_in_minor_units("price", price, currency) == minor


@pytest.mark.parametrize("price", ["0", "0.00", "1000000", 0, 1_000_000])
def test_prices_out_of_bounds(price: str | float) -> None:
    """Flows PR-26."""
    with pytest.raises(FieldInvalid):
        price_in_minor_units("price", price, "EUR")


@pytest.mark.parametrize("price", [float("nan"), float("inf"), 1e22, -1, 0.1 + 0.2, "10.005", "1_000", ""])
def test_what_is_no_price(price: str | float) -> None:
    """E049."""
    with pytest.raises(PriceMalformed):
        price_in_minor_units("price", price, "EUR")


@given(st.integers(1, 99_999_999))
def test_every_price_survives_as_text_and_as_number(minor: int) -> None:
    assert price_in_minor_units("price", f"{minor // 100}.{minor % 100:02}", "EUR") == minor
    assert price_in_minor_units("price", minor / 100, "EUR") == minor


@pytest.mark.parametrize(
    "url",
    [
        "https://utfs.io/f/1",
        "https://a.b.utfs.io/f/1?w=2",
        "https://utfs.io:443/f",
        "HTTPS://Images.Unsplash.com/x",
        "http://127.0.0.1:3002/pictures/1.jpg",
    ],
)
def test_pictures_from_known_hosts(url: str) -> None:
    assert clean_images([Image(url)], HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "http://utfs.io/f/1",
        "https://utfs.io.evil.example/f",
        "https://evilutfs.io/f",
        "https://evil.example/utfs.io",
        "https://evil.example?utfs.io",
        "https://evil.example#utfs.io",
        "https://utfs.io@evil.example/",
        "https://user:word@utfs.io/",
        "https://evil.example\\@utfs.io/",
        "https://utfs.io\t.evil.example/",
        "https://utfs.io:8443/",
        "https://utfs.io:x/",
        "https://utfs.io./f",
        "https://[::1/",
        "//utfs.io/f",
        "utfs.io/f",
        "http://127.0.0.1:3003/x",
        "http://127.0.0.1:3002@evil.example/",
        "data:image/png;base64,AAAA",
        "https://utfs.io/" + "a" * 2048,
        "https://utfs.io/\u202egpj",
        "",
    ],
)
def test_pictures_from_anywhere_else(url: str) -> None:
    """Peers §2.3: the origin's test by substring admitted utfs.io.evil.example."""
    with pytest.raises(FieldInvalid):
        clean_images([Image(url)], HOSTS)


def test_a_pictures_words_are_short() -> None:
    with pytest.raises(FieldInvalid):
        clean_images([Image("https://utfs.io/1", "x" * 201)], HOSTS)
    assert clean_images([Image("https://utfs.io/1", " ")], HOSTS) == (Image("https://utfs.io/1"),)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Robes d'été", "robes-d-ete"), ("  T-Shirts & Tops ", "t-shirts-tops"), ("靴", "")],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def _category(number: int, parent: int | None = None, position: int = 0, listed: int = 0) -> Category:
    return Category(
        category_id=UUID(int=number),
        version=1,
        parent_id=None if parent is None else UUID(int=parent),
        name=f"Category {number}",
        slug=f"category-{number}",
        position=position,
        active=True,
        listed=listed,
    )


def test_the_tree_is_ordered_counted_and_closed_with_its_parents() -> None:
    """A category whose parent is closed is out of sight, and so is all below it."""
    orphan, below_orphan = _category(8, 99), _category(9, 8)
    branches = forest(
        [
            _category(3, 1, 1, 4),
            _category(2, 1, 2, 5),
            _category(1, None, 1, 1),
            _category(4),
            orphan,
            below_orphan,
        ]
    )
    assert [branch.category.category_id.int for branch in branches] == [4, 1]
    assert [child.category.category_id.int for child in branches[1].children] == [3, 2]
    assert [branch.listed for branch in branches] == [0, 10]


def test_nothing_hangs_below_itself() -> None:
    parents = {UUID(int=1): None, UUID(int=2): UUID(int=1), UUID(int=3): UUID(int=2)}
    for above in (1, 2, 3):
        with pytest.raises(CategoryLoop):
            refuse_loop(UUID(int=1), UUID(int=above), parents)
    refuse_loop(UUID(int=3), UUID(int=1), parents)
    refuse_loop(UUID(int=1), None, parents)


def test_a_move_makes_both_categories_stale() -> None:
    """E068, R-CACHE-02."""
    product, old, new = UUID(int=1), UUID(int=2), UUID(int=3)
    assert tags_of_product(product, new, old) == (
        f"product:{product}", f"category:{new}", f"category:{old}", "products",
    )  # fmt: skip
    assert tags_of_product(product, new, None) == (f"product:{product}", f"category:{new}", "products")
