"""Listing an item: POST /v1/products."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from threadly_catalog.storage.categories import lock_for_listing
from threadly_chassis.ids import new_id
from threadly_chassis.testing import eventually

pytestmark = pytest.mark.integration


async def test_a_listing_is_stored_whole_and_said_once(catalog: Any) -> None:
    """R-CAT-05, R-CAT-06, R-CAT-08; flows PR-09 to PR-12."""
    category = await catalog.category()
    body = catalog.listing(
        category,
        price="1299.9",
        original_price=1500,
        images=["https://cdn.utfs.io/a.jpg", {"url": "https://utfs.io/b.jpg", "alt": "The <b>back</b>"}],
        brand=" Levi's ",
        size="M",
        color="",
    )
    answer = await catalog.call("POST", "/products", catalog.seller, json=body)
    assert answer.status_code == 201
    shown = answer.json()
    assert answer.headers["Location"] == f"/v1/products/{shown['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert UUID(shown["id"]).version == 7
    assert shown["seller_id"] == str(catalog.seller.user_id)
    assert shown["price"] == {"amount_minor": 129990, "currency": "EUR", "formatted": "1,299.90 EUR"}
    assert shown["original_price"]["amount_minor"] == 150000
    assert (shown["status"], shown["brand"], shown["size"], shown["color"]) == (
        "AVAILABLE", "Levi's", "M", None,
    )  # fmt: skip
    assert [(i["position"], i["url"], i["alt"]) for i in shown["images"]] == [
        (0, "https://cdn.utfs.io/a.jpg", None),
        (1, "https://utfs.io/b.jpg", "The back"),
    ]
    [(fact, version, payload)] = await catalog.events(shown["id"])
    assert (fact, version, payload["version"]) == ("product_created", 1, 1)
    assert payload["price"] == {"amount_minor": 129990, "currency": "EUR"}
    assert [image["url"] for image in payload["images"]] == [image["url"] for image in shown["images"]]
    counts = await catalog.query("select category_id, delta from category_count_change")
    assert counts == [{"category_id": category, "delta": 1}]
    assert await catalog.shown(shown) == shown


async def test_a_listing_needs_a_signed_in_seller(catalog: Any) -> None:
    """R-CAT-01."""
    answer = await catalog.call("POST", "/products", json=catalog.listing(await catalog.category()))
    assert answer.status_code == 401


async def test_the_same_key_lists_once(catalog: Any) -> None:
    """PR-01: Idempotency-Key."""
    body = catalog.listing(await catalog.category())
    headers = {"Idempotency-Key": "k-1"}
    first = await catalog.call("POST", "/products", catalog.seller, json=body, headers=headers)
    again = await catalog.call("POST", "/products", catalog.seller, json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert len(await catalog.query("select 1 from product")) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"status": "SOLD"}, "status", id="E014-status"),
        pytest.param({"seller_id": str(new_id())}, "seller_id", id="E014-seller"),
        pytest.param({"price": "10,00"}, None, id="E049-comma"),
        pytest.param({"price": "1e3"}, None, id="E049-exponent"),
        pytest.param({"price": "٣٠"}, None, id="E049-foreign-digits"),
        pytest.param({"price": "NaN"}, None, id="E049-nan"),
        pytest.param({"price": "-0"}, None, id="E049-minus-zero"),
        pytest.param({"price": "10.005"}, None, id="E049-too-fine"),
        pytest.param({"price": " 10 "}, None, id="E049-spaces"),
        pytest.param({"price": True}, "price.str", id="E049-bool"),
        pytest.param({"price": 0.1 + 0.2}, None, id="E049-float-dust"),
        pytest.param({"price": "0"}, "price", id="PR-26-free"),
        pytest.param({"price": "1000000"}, "price", id="PR-26-dearest"),
        pytest.param({"currency": "XXX"}, "currency", id="currency"),
        pytest.param({"price": "500.5", "currency": "JPY"}, None, id="E047-jpy"),
        pytest.param({"original_price": "25.49"}, "original_price", id="original-price-lower"),
        pytest.param({"title": "\u200b\u200d\u2060\u200b"}, "title", id="E056-zero-width"),
        pytest.param({"title": "   "}, "title", id="E056-spaces"),
        pytest.param({"title": "!?!..."}, "title", id="E056-punctuation"),
        pytest.param({"title": "\u3164\u3164\u3164"}, "title", id="E056-fillers"),
        pytest.param({"title": "<b></b><i>x</i>"}, "title", id="PR-26-short-title"),
        pytest.param({"title": "a" * 101}, "title", id="E059-title"),
        pytest.param({"description": "d" * 2001}, "description", id="E059-description"),
        pytest.param({"title": "nul \x00 byte"}, "body", id="E058-title"),
        pytest.param({"description": "a nul \x00 byte in it"}, "body", id="E058-description"),
        pytest.param({"brand": "\x00"}, "body", id="E058-brand"),
        pytest.param({"images": []}, "images", id="E061-none"),
        pytest.param({"images": [f"https://ufs.sh/{n}" for n in range(11)]}, "images", id="E061-eleven"),
        pytest.param({"images": ["https://utfs.io.evil.example/a"]}, "images", id="image-host-suffix"),
        pytest.param({"images": ["javascript:alert(1)"]}, "images", id="E052-image"),
        pytest.param({"category_id": str(new_id())}, "category_id", id="E062-unknown"),
        pytest.param({"category_id": "dresses"}, "category_id", id="R-CAT-05-uuid"),
    ],
)
async def test_what_cannot_be_listed(catalog: Any, fields: dict[str, Any], field: str | None) -> None:
    """R-CAT-03; each refusal is a 422 that names the field, and stores nothing."""
    body = catalog.listing(await catalog.category()) | fields
    answer = await catalog.call("POST", "/products", catalog.seller, json=body)
    assert answer.status_code == 422, answer.text
    if field is None:
        assert answer.json()["code"] == "price_malformed"
    else:
        assert answer.json()["errors"][0]["field"] == field
    assert await catalog.query("select 1 from product") == []


async def test_lone_surrogates_are_refused_wherever_they_stand(catalog: Any) -> None:
    """E058: JSON can spell half a character; the answer is 422, never 500."""
    body = catalog.listing(await catalog.category())
    for field in ("title", "description", "brand", "category_id", "unknown"):
        raw = (str(body | {field: "MARK"}).replace("'", '"')).replace("MARK", "half \\ud800 of it")
        headers = {"Content-Type": "application/json"}
        answer = await catalog.call("POST", "/products", catalog.seller, content=raw, headers=headers)
        assert answer.status_code == 422, (field, answer.text)


async def test_what_may_just_be_listed(catalog: Any) -> None:
    """E059, E061, E047: the bounds themselves are good; duplicates of a picture count once."""
    pictures = [f"https://ufs.sh/{n}" for n in range(10)]
    shown = await catalog.list_item(
        await catalog.category(),
        title="t" * 100,
        description="d" * 2000,
        price=500,
        currency="JPY",
        images=[*pictures, "https://UFS.sh/0#again"],
    )
    assert shown["price"] == {"amount_minor": 500, "currency": "JPY", "formatted": "500 JPY"}
    assert [image["url"] for image in shown["images"]] == pictures


async def test_less_than_and_ampersand_keep_their_meaning(catalog: Any) -> None:
    """E053: no double escaping in the API nor in the event, even when the answer is sent back."""
    shown = await catalog.list_item(
        await catalog.category(), title="Levi's <3 & R&B", description="Fits if a < b & you like R&B"
    )
    assert shown["title"] == "Levi's <3 & R&B"
    assert shown["description"] == "Fits if a &lt; b &amp; you like R&amp;B"
    assert shown["description_text"] == "Fits if a < b & you like R&B"
    sent_back = {"title": shown["title"], "description": shown["description"]}
    answer = await catalog.patch(shown, **sent_back)
    assert answer.json() == shown
    assert len(await catalog.events(shown["id"])) == 1


async def test_markup_is_reduced_to_the_safe_subset(catalog: Any) -> None:
    """E052, R-CAT-04, E055."""
    shown = await catalog.list_item(
        await catalog.category(),
        title="Dress <script>alert(1)</script>\u202eevil\u202c",
        description=(
            '<p onclick="steal()">A <b>lovely</b> <a href="javascript:alert(1)">dress</a>'
            "<img src=x onerror=alert(1)><svg onload=alert(1)></svg><scr<script>ipt>"
        ),
    )
    assert shown["title"] == "Dress evil"
    assert shown["description"].startswith("<p>A <b>lovely</b> <a rel=")
    assert "onclick" not in shown["description"]
    assert "javascript" not in shown["description"]
    assert shown["description_text"].startswith("A lovely dress")


async def test_a_listing_is_logged_and_counted_once_it_stands(
    catalog: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """R-CAT-12: with its ids; a refused one is neither, nor is the replay of the same key."""
    category = await catalog.category()
    body, key = catalog.listing(category), {"Idempotency-Key": "once"}
    before = _counted()
    with caplog.at_level("INFO", logger="threadly_catalog.use_cases.tell_fact"):
        await catalog.call("POST", "/products", catalog.seller, json=body | {"price": "0"})
        for _ in range(2):
            shown = await catalog.call("POST", "/products", catalog.seller, json=body, headers=key)
    assert _counted() == before + 1
    [line] = [record.getMessage() for record in caplog.records if "product_created" in record.getMessage()]
    assert shown.json()["id"] in line
    assert str(catalog.seller.user_id) in line


def _counted() -> float:
    return REGISTRY.get_sample_value("threadly_domain_total", {"what": "product_created"}) or 0


async def test_a_category_closed_at_the_same_moment(catalog: Any) -> None:
    """E062: closing waits for a listing that has found the category open; no listing follows a closing."""
    category = await catalog.category()
    path, closed = f"/categories/{category}", {"json": {"active": False}}
    async with asyncio.TaskGroup() as tasks, catalog.deps.db.transaction() as tx:
        await lock_for_listing(tx.session, category)
        closing = tasks.create_task(catalog.call("PATCH", path, catalog.operator, **closed))
        await eventually(catalog.waits_for_a_lock, describe="the closing to wait for the listing")
        assert not closing.done()
    assert closing.result().status_code == 200
    answer = await catalog.call("POST", "/products", catalog.seller, json=catalog.listing(category))
    assert (answer.status_code, answer.json()["code"]) == (422, "category_not_usable")
    assert await catalog.query("select 1 from product") == []


async def test_a_seller_who_lists_too_fast_is_told_to_wait(catalog: Any) -> None:
    """E071."""
    catalog.use_settings(listings_per_minute=2)
    category = await catalog.category()
    body = catalog.listing(category)
    codes = [
        (await catalog.call("POST", "/products", catalog.seller, json=body)).status_code for _ in range(3)
    ]
    assert codes == [201, 201, 429]
    other = await catalog.call("POST", "/products", catalog.operator, json=body)
    assert other.status_code == 201
    [branch] = (await catalog.call("GET", "/categories")).json()["data"]
    assert branch["listed_products"] == 3
