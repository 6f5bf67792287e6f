"""Every product event → the projection, and from there to the index."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import ProductEvent

from ..dependencies import SearchDeps
from ..domain.messages import DocumentChanged
from ..storage.products import put_product


async def project_product(event: ProductEvent, context: Context[SearchDeps]) -> None:
    """Store the product as it is now; one that is older than what is held changes nothing (E011)."""
    version = await put_product(context.tx.session, event, overrules=context.overrules)
    if version is not None:
        changed = DocumentChanged(product_id=event.product_id, version=version)
        await context.tx.publish(changed, version=version)
