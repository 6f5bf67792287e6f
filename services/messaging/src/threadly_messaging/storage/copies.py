"""The copies of items and people."""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession
from threadly_contracts.auth import Person
from threadly_contracts.catalog import ProductState

from .tables import PersonRow, ProductRow


async def find_product(session: ReadSession, product_id: UUID) -> ProductRow | None:
    """The copy of an item."""
    return await session.get(ProductRow, product_id)


async def find_person(session: ReadSession, person_id: UUID) -> PersonRow | None:
    """The copy of a person."""
    return await session.get(PersonRow, person_id)


async def keep_product(session: WriteSession, product: ProductState) -> None:
    """Make the copy what the event says; the consumer's gate lets only newer events come here."""
    cover = min(product.images, key=lambda image: image.position, default=None)
    await _upsert(
        session,
        ProductRow,
        {
            "id": product.product_id,
            "seller_id": product.seller_id,
            "title": product.title,
            "status": product.status.value,
            "image_url": cover.url if cover else None,
            "price_minor": product.price.amount_minor,
            "currency": product.price.currency,
        },
    )


async def keep_person(session: WriteSession, person: Person) -> None:
    """The same for a person."""
    row = {"id": person.user_id, "name": person.display_name, "image_url": person.image_url}
    await _upsert(session, PersonRow, row)


async def keep_if_unknown(session: WriteSession, person_id: UUID, name: str, image_url: str | None) -> None:
    """Keep what an identity token says of somebody whose first event is still on its way."""
    row = {"id": person_id, "name": name, "image_url": image_url}
    await session.execute(insert(PersonRow).values(row).on_conflict_do_nothing())


async def _upsert(
    session: WriteSession, table: type[ProductRow] | type[PersonRow], row: dict[str, Any]
) -> None:
    changes = {name: value for name, value in row.items() if name != "id"}
    statement = insert(table).values(row).on_conflict_do_update(index_elements=[table.id], set_=changes)
    await session.execute(statement, execution_options={"populate_existing": True})
