"""Compares the index with the projection and sends what differs again (E077).

The index may lose a write that it confirmed, or be restored from an older copy. What is wrong goes the
ordinary way, as DocumentChanged, so that it is retried and seen like any other.
"""

from uuid import UUID

from threadly_chassis.observability.logging import get_logger
from threadly_chassis.observability.metrics import DOMAIN_EVENTS

from ..dependencies import SearchDeps
from ..domain.messages import DocumentChanged
from ..storage.products import available_after, get_listings, touch

#: A document that changed within this time has its own message under way, seconds.
SETTLED = 60.0
_BATCH = 1000

_log = get_logger(__name__)


async def repair_drift(deps: SearchDeps, *, settled_seconds: float = SETTLED) -> None:
    """Walk the index for records that are wrong, then the projection for records that are missing."""
    await deps.index.apply_settings()
    seen: set[UUID] = set()
    repaired = 0
    async for stretch in deps.index.browse():
        known, strangers = _split(stretch)
        for object_id in strangers:
            await deps.index.remove(object_id)
        seen.update(known)
        repaired += len(strangers) + await _repair(deps, await _wrong(deps, known), settled_seconds)
    repaired += await _repair_missing(deps, seen, settled_seconds)
    if repaired:
        DOMAIN_EVENTS.labels("search_drift_repaired").inc(repaired)
        _log.warning("search_index_drifted", repaired=repaired)


def _split(stretch: dict[str, int | None]) -> tuple[dict[UUID, int], list[str]]:
    """Tell records of ours from those whose id is not even a product's (E074)."""
    known: dict[UUID, int] = {}
    strangers: list[str] = []
    for object_id, version in stretch.items():
        try:
            known[UUID(object_id)] = version or 0
        except ValueError:
            strangers.append(object_id)
    return known, strangers


async def _wrong(deps: SearchDeps, versions: dict[UUID, int]) -> dict[UUID, int]:
    """Those that are unknown here, no longer available, or at another version."""
    async with deps.db.read() as session:
        listings = await get_listings(session, versions)
    return {
        product_id: version
        for product_id, version in versions.items()
        if (listing := listings.get(product_id)) is None
        or not listing.is_available
        or listing.document_version != version
    }


async def _repair_missing(deps: SearchDeps, seen: set[UUID], settled_seconds: float) -> int:
    repaired = 0
    after: UUID | None = None
    while True:
        async with deps.db.read() as session:
            stretch = await available_after(session, after, _BATCH)
        missing = {product_id: 0 for product_id, _ in stretch if product_id not in seen}
        repaired += await _repair(deps, missing, settled_seconds)
        if len(stretch) < _BATCH:
            return repaired
        after = stretch[-1][0]


async def _repair(deps: SearchDeps, versions: dict[UUID, int], settled_seconds: float) -> int:
    """Send each again with a version above the index's, which would refuse an older one; returns how many."""
    return sum([await _send_again(deps, *each, settled_seconds) for each in versions.items()])


async def _send_again(deps: SearchDeps, product_id: UUID, above: int, settled_seconds: float) -> bool:
    async with deps.db.transaction() as tx:
        version = await touch(tx.session, product_id, above=above, settled_seconds=settled_seconds)
        if version is not None:
            changed = DocumentChanged(product_id=product_id, version=version)
            await tx.publish(changed, version=version)
            return True
    async with deps.db.read() as session:
        unknown = not await get_listings(session, [product_id])
    if unknown:
        await deps.index.remove(str(product_id))
    return unknown
