"""Which records the index has of ours (R-SYNC-04), in the chassis' table."""

from uuid import UUID

from sqlalchemy import text

from threadly_chassis.db import WriteSession

SERVICE = "algolia"

_PUT = text("""
    insert into sync_mapping (service, local_id, external_id, sync_status)
    values (:service, :id, :id, :status)
    on conflict (service, local_id) do update
    set sync_status = excluded.sync_status, last_sync_at = clock_timestamp()
""")


async def record_sync(session: WriteSession, product_id: UUID, *, present: bool) -> None:
    """Note that the index confirmed a product's record, or its absence; both sides use the same id."""
    status = "SYNCED" if present else "REMOVED"
    await session.execute(_PUT, {"service": SERVICE, "id": str(product_id), "status": status})
