"""DocumentChanged, NamesChanged → the cached searches they make stale (R-CACHE-02).

These are our own messages, published with the projection's change: what was dropped cannot be filled again
from a projection that is older than the event.
"""

from threadly_chassis.messaging import EffectContext

from ..dependencies import SearchDeps
from ..domain.cache_tags import SEARCH, product_tag
from ..domain.messages import DocumentChanged, NamesChanged


async def drop_changed_product(event: DocumentChanged, context: EffectContext[SearchDeps]) -> None:
    """Any search may have found the product, or may find it now."""
    await context.deps.cache.invalidate_tags(SEARCH, product_tag(event.product_id))


async def drop_changed_names(_: NamesChanged, context: EffectContext[SearchDeps]) -> None:
    """A category that moved changes what a search in its old and new branch looks through."""
    await context.deps.cache.invalidate_tags(SEARCH)
