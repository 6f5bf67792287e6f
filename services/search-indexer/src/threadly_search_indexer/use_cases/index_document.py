"""DocumentChanged → the index, confirmed; then the cached searches go (R-CAT-09, R-CAT-13, R-ORD-10)."""

from uuid import UUID

from threadly_chassis.errors import Retryable
from threadly_chassis.messaging import EffectContext

from ..dependencies import SearchDeps
from ..domain.cache_tags import SEARCH, product_tag
from ..domain.listing import Listing, document_of
from ..domain.messages import DocumentChanged
from ..storage.products import confirm_indexed, get_listing
from ..storage.sync import record_sync

#: A document that changes faster than the index confirms is left to its later messages.
_TRIES = 5


class DocumentKeepsChanging(Retryable):
    """The document changed during each of several writes."""

    code = "document_keeps_changing"


async def index_document(event: DocumentChanged, context: EffectContext[SearchDeps]) -> None:
    """Bring the index to the projection's present state, whichever version the message announces.

    A search that ran between the projection's commit and now may have cached the index's old answer, so
    the cache is cleared once more here, after the confirmation.
    """
    deps = context.deps
    await sync_document(event.product_id, deps)
    await deps.cache.invalidate_tags(SEARCH, product_tag(event.product_id))


async def sync_document(product_id: UUID, deps: SearchDeps) -> None:
    """Write or delete the document until what was written is still the newest.

    Algolia has no condition on deletes: a slow worker could delete what a faster one has put back. Whoever
    finds that the document changed meanwhile writes again, so the last to finish leaves the newest.
    Raises `SearchIndexError`, or `DocumentKeepsChanging` after five rounds.
    """
    for _ in range(_TRIES):
        async with deps.db.read() as session:
            listing = await get_listing(session, product_id)
        if listing is None:
            return
        await _write(listing, deps)
        async with deps.db.transaction() as tx:
            if await confirm_indexed(tx.session, product_id, listing.document_version):
                await record_sync(tx.session, product_id, present=listing.is_available)
                return
    raise DocumentKeepsChanging(str(product_id))


async def _write(listing: Listing, deps: SearchDeps) -> None:
    if listing.is_available:
        await deps.index.put(document_of(listing))
    else:
        await deps.index.remove(str(listing.product_id))
