"""A dead letter of the indexer is rehearsed without a call to Algolia or Redis (F42)."""

from collections.abc import Callable
from typing import Any

import pytest

from threadly_chassis.messaging.rehearsal import RehearsalOutcome
from threadly_chassis.testing.database import digest
from threadly_chassis.testing.rehearsals import letter_of, rehearsed
from threadly_contracts.catalog import ProductCreated
from threadly_search_indexer.dependencies import SearchDeps
from threadly_search_indexer.domain.messages import DocumentChanged
from threadly_search_indexer.subscriptions import SUBSCRIPTIONS
from threadly_search_indexer.use_cases.project_product import project_product

pytestmark = pytest.mark.integration


async def test_the_indexer_runs_to_its_end_and_the_index_stays(
    deps: SearchDeps, shelf: Any, product: Callable[..., ProductCreated], algolia: Any
) -> None:
    """F42: it would write, confirm and note; with Algolia refusing everything it could not if it called."""
    dress = product()
    await shelf.handle(project_product, dress)
    before = await digest(deps.db)
    letter = letter_of(DocumentChanged(product_id=dress.product_id, version=1))
    await algolia.control(down=True)
    said = await rehearsed("search-indexer.indexer", letter, deps, SUBSCRIPTIONS)
    await algolia.control()
    assert said.outcome is RehearsalOutcome.WOULD_APPLY
    assert [(call.port, call.method) for call in said.calls] == [
        ("index", "put"),
        ("cache", "invalidate_tags"),
    ]
    assert {rows.table for rows in said.rows} == {"search_product", "sync_mapping"}
    assert await digest(deps.db) == before
    assert await shelf.indexed() == {}
    await shelf.index(dress.product_id)
    assert list(await shelf.indexed()) == [str(dress.product_id)]


async def test_the_projector_says_what_it_would_tell_itself(
    deps: SearchDeps, product: Callable[..., ProductCreated]
) -> None:
    before = await digest(deps.db)
    said = await rehearsed("search-indexer.projector", letter_of(product()), deps, SUBSCRIPTIONS)
    assert said.outcome is RehearsalOutcome.WOULD_APPLY
    assert [event.type for event in said.events] == [DocumentChanged.type]
    assert await digest(deps.db) == before
