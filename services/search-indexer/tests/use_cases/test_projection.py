"""The projector and the renamer: once, twice, in any order."""

from collections.abc import Callable
from typing import Any

import pytest

from threadly_chassis.ids import new_id
from threadly_chassis.testing.handlers import run_handler
from threadly_contracts.catalog import ProductSold, ProductUpdated
from threadly_search_indexer.domain.messages import NamesChanged, Scope
from threadly_search_indexer.use_cases import rename_products as renaming
from threadly_search_indexer.use_cases.project_category import project_category
from threadly_search_indexer.use_cases.project_product import project_product
from threadly_search_indexer.use_cases.project_seller import project_seller
from threadly_search_indexer.use_cases.rename_products import rename_products

pytestmark = pytest.mark.integration
Make = Callable[..., Any]


async def names(shelf: Any, product_id: Any) -> tuple[Any, Any]:
    row = await shelf.row(product_id)
    return row["seller_name"], row["category_name"]


async def follow_names(shelf: Any, seen: int = 0) -> int:
    """Handle the NamesChanged published since `seen`, and those they publish; returns how many there were."""
    while len(messages := await shelf.published("names_changed")) > seen:
        await shelf.handle(rename_products, NamesChanged.model_validate(messages[seen]))
        seen += 1
    return seen


async def test_a_product_delivered_twice_is_one_row_and_one_message(shelf: Any, product: Make) -> None:
    dress = product()
    await shelf.handle(project_product, dress)
    await shelf.handle(project_product, dress)
    row = await shelf.row(dress.product_id)
    assert (row["version"], row["document_version"], row["title"]) == (1, 1, dress.title)
    assert await shelf.published("document_changed") == [{"product_id": str(dress.product_id), "version": 1}]


async def test_an_older_product_after_a_newer_changes_nothing(
    shelf: Any, product: Make, changed: Make
) -> None:
    """E011, E106: the last version wins, and what is sold is not put back."""
    dress = product()
    dearer = changed(dress, ProductUpdated, price={"amount_minor": 4000, "currency": "EUR"})
    sold = changed(dearer, ProductSold, status="SOLD", order_id=new_id(), sold_at=dress.updated_at)
    for event in (sold, dress, dearer):
        await shelf.handle(project_product, event)
    row = await shelf.row(dress.product_id)
    assert (row["version"], row["status"], row["price_minor"]) == (3, "SOLD", 4000)
    assert len(await shelf.published("document_changed")) == 1


async def test_each_change_raises_the_document_s_version(shelf: Any, product: Make, changed: Make) -> None:
    dress = product()
    await shelf.handle(project_product, dress)
    await shelf.handle(project_product, changed(dress, ProductUpdated, title="Blue dress", version=9))
    assert [each["version"] for each in await shelf.published("document_changed")] == [1, 2]
    assert (await shelf.row(dress.product_id))["document_version"] == 2


async def test_a_product_before_its_seller_and_category_is_named_when_they_come(
    shelf: Any, product: Make, seller: Make, category: Make
) -> None:
    person, dresses = seller(), category()
    dress = product(seller_id=person.user_id, category_id=dresses.category_id)
    await shelf.handle(project_product, dress)
    assert await names(shelf, dress.product_id) == (None, None)
    await shelf.handle(project_seller, person, version=1)
    await shelf.handle(project_category, dresses)
    await follow_names(shelf)
    assert await names(shelf, dress.product_id) == ("Anna Berg", "Dresses")
    assert (await shelf.row(dress.product_id))["document_version"] == 3


async def test_documents_follow_a_new_name_in_batches(
    shelf: Any, product: Make, seller: Make, renamed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E076: seven products in batches of three; a batch done twice changes nothing more."""
    monkeypatch.setattr(renaming, "BATCH", 3)
    person = seller()
    await shelf.handle(project_seller, person, version=1)
    seen = await follow_names(shelf)
    dresses = [product(seller_id=person.user_id) for _ in range(7)]
    for dress in dresses:
        await shelf.handle(project_product, dress)
    await shelf.handle(project_seller, renamed(person, first_name="Bea"), version=2)
    messages = len(await shelf.published("document_changed"))
    assert await follow_names(shelf, seen) - seen == 3
    assert {(await shelf.row(each.product_id))["seller_name"] for each in dresses} == {"Bea Berg"}
    assert len(await shelf.published("document_changed")) == messages + 7
    await shelf.handle(rename_products, NamesChanged(scope=Scope.SELLER, scope_id=person.user_id))
    assert len(await shelf.published("document_changed")) == messages + 7


async def test_an_older_name_after_a_newer_changes_nothing(
    shelf: Any, seller: Make, renamed: Make, category: Make
) -> None:
    person, dresses = seller(), category(version=2, name="Gowns")
    await shelf.handle(project_seller, renamed(person, first_name="Bea"), version=2)
    await shelf.handle(project_seller, person, version=1)
    await shelf.handle(project_category, dresses)
    await shelf.handle(project_category, category(category_id=dresses.category_id, name="Dresses"))
    assert await shelf.query("select name from search_seller") == [{"name": "Bea Berg"}]
    assert await shelf.query("select name from search_category") == [{"name": "Gowns"}]
    assert len(await shelf.published("names_changed")) == 2


async def test_what_its_owner_does_not_know_any_more_is_overruled(
    shelf: Any, product: Make, seller: Make, renamed: Make, category: Make, changed: Make
) -> None:
    """F29: the owner was set back; what it says now has a version that it gave before, or a lower one."""
    dress, person, dresses = product(), seller(), category(version=2, name="Gowns")
    await shelf.handle(project_product, changed(dress, ProductUpdated, title="Erased", version=3))
    await shelf.handle(project_seller, renamed(person, first_name="Erased"), version=2)
    await shelf.handle(project_category, dresses)
    true = category(category_id=dresses.category_id, name="Dresses")
    for handler, event, version in (
        (project_product, dress, None),
        (project_seller, person, 2),
        (project_category, true, None),
    ):
        await run_handler(handler, event, shelf.deps, version=version, overrules=True)
    row = await shelf.row(dress.product_id)
    assert (row["version"], row["title"], row["document_version"]) == (1, dress.title, 2)
    [shown] = await shelf.query("select name from search_seller")
    assert "Erased" not in shown["name"]
    assert await shelf.query("select name from search_category") == [{"name": "Dresses"}]


async def test_a_user_who_changes_only_the_address_renames_nothing(
    shelf: Any, seller: Make, renamed: Make
) -> None:
    person = seller()
    await shelf.handle(project_seller, person, version=1)
    await shelf.handle(project_seller, renamed(person, email="new@example.test"), version=2)
    assert len(await shelf.published("names_changed")) == 1


async def test_a_crash_before_the_commit_leaves_no_trace(shelf: Any, deps: Any, product: Make) -> None:
    """Row and message come together or not at all; the redelivery makes both."""
    dress = product()

    async def crash(event: Any, context: Any) -> None:
        await project_product(event, context)
        raise ConnectionError

    crash.__annotations__ = project_product.__annotations__
    with pytest.raises(ConnectionError):
        await shelf.handle(crash, dress)
    assert await shelf.query("select 1 from search_product") == []
    assert await shelf.published("document_changed") == []
    await shelf.handle(project_product, dress)
    assert len(await shelf.published("document_changed")) == 1
