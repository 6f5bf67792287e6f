"""The local copy of products: what orders knows of an item without asking catalog."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import WriteSession
from threadly_contracts.catalog import ProductState

from .tables import Product


async def store(session: WriteSession, state: ProductState, *, overrules: bool = False) -> bool:
    """Keep a product's newest state; False when a newer one is kept already (E011).

    The version is compared here too, and not by the consumer's gate alone: a rebuild replays old events.
    What `overrules` is kept whatever version there is: catalog does not know that one any more.
    """
    values = {
        "version": state.version,
        "seller_id": state.seller_id,
        "title": state.title,
        "amount_minor": state.price.amount_minor,
        "currency": state.price.currency,
        "status": state.status,
    }
    statement = (
        insert(Product)
        .values(id=state.product_id, **values)
        .on_conflict_do_update(
            index_elements=[Product.id],
            set_=values,
            where=None if overrules else Product.version < state.version,
        )
        .returning(Product.id)
    )
    return (await session.execute(statement)).first() is not None


async def hold(session: WriteSession, product_id: UUID) -> Product | None:
    """Read a product and keep it from changing; many buyers may do so at once."""
    return await session.get(Product, product_id, populate_existing=True, with_for_update={"read": True})


async def lock(session: WriteSession, product_id: UUID) -> Product | None:
    """Read a product and keep everybody else from it: no checkout of it can begin meanwhile."""
    return await session.get(Product, product_id, populate_existing=True, with_for_update={"key_share": True})
