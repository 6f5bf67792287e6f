"""NamesChanged → the products that bear the name, a batch a message (E076)."""

from threadly_chassis.messaging import Context

from ..dependencies import SearchDeps
from ..domain.messages import DocumentChanged, NamesChanged
from ..storage.names import own_name
from ..storage.products import rename_batch

#: Products in one transaction: some tens of milliseconds, so a product event never waits longer for the name.
BATCH = 200


async def rename_products(event: NamesChanged, context: Context[SearchDeps]) -> None:
    """Copy the present name into the next batch, and ask ourselves to go on after it."""
    session = context.tx.session
    await own_name(session, event.scope_id)
    changed, last = await rename_batch(session, event.scope, event.scope_id, event.after, BATCH)
    for product_id, version in changed:
        await context.tx.publish(DocumentChanged(product_id=product_id, version=version), version=version)
    if last is not None:
        await context.tx.publish(event.model_copy(update={"after": last}), version=context.version)
