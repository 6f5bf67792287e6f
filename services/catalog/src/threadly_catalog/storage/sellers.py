"""What is shown of sellers."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.db import ReadSession, WriteSession

from .tables import SellerRow


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller's name and picture."""

    user_id: UUID
    name: str
    picture: str | None


async def sellers_by_id(session: ReadSession, user_ids: Iterable[UUID]) -> dict[UUID, Seller]:
    """The known ones among `user_ids`, in one statement."""
    rows = await session.scalars(select(SellerRow).where(SellerRow.user_id.in_(set(user_ids))))
    return {row.user_id: Seller(row.user_id, row.name, row.picture) for row in rows}


async def put_seller(session: WriteSession, seller: Seller) -> None:
    """Store what auth says of a seller."""
    shown = {"name": seller.name, "picture": seller.picture}
    statement = insert(SellerRow).values(user_id=seller.user_id, **shown)
    await session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=shown))


async def introduce_seller(session: WriteSession, seller: Seller) -> None:
    """Store what a token says of a seller, unless auth's event has been here already."""
    statement = insert(SellerRow).values(user_id=seller.user_id, name=seller.name, picture=seller.picture)
    await session.execute(statement.on_conflict_do_nothing())
