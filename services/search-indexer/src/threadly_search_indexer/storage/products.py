"""The projection of products."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_contracts.catalog import ProductState

from ..domain.listing import Listing
from ..domain.messages import Scope
from .names import name_of, share_names
from .tables import SearchProductRow

_COLUMNS = tuple(getattr(SearchProductRow, name) for name in Listing.__dataclass_fields__)


def _listing(row: Row[Any]) -> Listing:
    return Listing(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row by column


def _values(product: ProductState) -> dict[str, Any]:
    original = product.original_price
    return {
        "product_id": product.product_id,
        "version": product.version,
        "status": product.status.value,
        "title": product.title,
        "description": product.description_text,
        "price_minor": product.price.amount_minor,
        "currency": product.price.currency,
        "original_price_minor": original.amount_minor if original else None,
        "condition": product.condition.value,
        "size": product.size,
        "brand": product.brand,
        "color": product.color,
        "material": product.material,
        "images": [image.url for image in sorted(product.images, key=lambda image: image.position)],
        "category_id": product.category_id,
        "category_name": name_of(Scope.CATEGORY, product.category_id),
        "seller_id": product.seller_id,
        "seller_name": name_of(Scope.SELLER, product.seller_id),
        "created_at": product.created_at,
        "updated_at": product.updated_at,
        "changed_at": func.clock_timestamp(),
    }


async def put_product(session: WriteSession, product: ProductState, *, overrules: bool = False) -> int | None:
    """Store a product unless a version as new is held; returns the document's new version, else None.

    What `overrules` is stored whatever version there is: catalog does not know that one any more.
    A seller or category that is not known yet leaves its name empty until it is.
    """
    await share_names(session, product.seller_id, product.category_id)
    values = _values(product)
    statement = insert(SearchProductRow).values({**values, "document_version": 1})
    statement = statement.on_conflict_do_update(
        index_elements=["product_id"],
        set_={**values, "document_version": SearchProductRow.document_version + 1},
        where=None if overrules else SearchProductRow.version < statement.excluded.version,
    )
    version: int | None = await session.scalar(statement.returning(SearchProductRow.document_version))
    return version


async def get_listing(session: ReadSession, product_id: UUID) -> Listing | None:
    """One product in whatever state; None when it was never heard of."""
    row = (await session.execute(select(*_COLUMNS).where(SearchProductRow.product_id == product_id))).first()
    return _listing(row) if row else None


async def get_listings(session: ReadSession, product_ids: Iterable[UUID]) -> dict[UUID, Listing]:
    """Those of the products that are known, in one query (R-SRCH-04)."""
    statement = select(*_COLUMNS).where(SearchProductRow.product_id.in_(list(product_ids)))
    found = map(_listing, await session.execute(statement))
    return {listing.product_id: listing for listing in found}


async def confirm_indexed(session: WriteSession, product_id: UUID, document_version: int) -> bool:
    """Note that the index holds this version of the document; False when it is no longer the newest."""
    statement = (
        update(SearchProductRow)
        .where(
            SearchProductRow.product_id == product_id,
            SearchProductRow.document_version == document_version,
        )
        .values(indexed_version=document_version)
        .returning(SearchProductRow.product_id)
    )
    return await session.scalar(statement) is not None


async def touch(
    session: WriteSession, product_id: UUID, *, above: int = 0, settled_seconds: float = 0
) -> int | None:
    """Raise a document's version, past `above`, so that it is written again; returns the new version.

    A document that changed in the last `settled_seconds` is left alone (None): its own message is under way.
    """
    age = func.extract("epoch", func.clock_timestamp() - SearchProductRow.changed_at)
    statement = (
        update(SearchProductRow)
        .where(SearchProductRow.product_id == product_id, age >= settled_seconds)
        .values(
            document_version=func.greatest(SearchProductRow.document_version, above) + 1,
            changed_at=func.clock_timestamp(),
        )
        .returning(SearchProductRow.document_version)
    )
    version: int | None = await session.scalar(statement)
    return version


async def rename_batch(
    session: WriteSession, scope: Scope, scope_id: UUID, after: UUID | None, limit: int
) -> tuple[list[tuple[UUID, int]], UUID | None]:
    """Copy the present name into the next products that bear another, in the order of their ids.

    Returns (product, new document version) of those that changed, and where to go on; None at the end.
    """
    of_scope = SearchProductRow.seller_id if scope is Scope.SELLER else SearchProductRow.category_id
    name_column = "seller_name" if scope is Scope.SELLER else "category_name"
    statement = select(SearchProductRow.product_id).where(of_scope == scope_id)
    if after is not None:
        statement = statement.where(SearchProductRow.product_id > after)
    # Locked in the order of ids, so that two renames that meet on a product wait instead of deadlocking.
    statement = statement.order_by(SearchProductRow.product_id).limit(limit).with_for_update()
    batch = (await session.scalars(statement)).all()
    name: Any = name_of(scope, scope_id)
    changed = await session.execute(
        update(SearchProductRow)
        .where(
            SearchProductRow.product_id.in_(batch),
            getattr(SearchProductRow, name_column).is_distinct_from(name),
        )
        .values(
            {
                name_column: name,
                "document_version": SearchProductRow.document_version + 1,
                "changed_at": func.clock_timestamp(),
            }
        )
        .returning(SearchProductRow.product_id, SearchProductRow.document_version)
    )
    return [(row[0], row[1]) for row in changed], batch[-1] if len(batch) == limit else None


async def available_after(session: ReadSession, after: UUID | None, limit: int) -> Sequence[tuple[UUID, int]]:
    """The next available products in the order of their ids, each with its document version."""
    statement = select(SearchProductRow.product_id, SearchProductRow.document_version).where(
        SearchProductRow.status == "AVAILABLE"
    )
    if after is not None:
        statement = statement.where(SearchProductRow.product_id > after)
    rows = await session.execute(statement.order_by(SearchProductRow.product_id).limit(limit))
    return [(row[0], row[1]) for row in rows]
