"""CategoryChanged → the local categories, and the name in all their products' documents (E076)."""

from threadly_chassis.messaging import Context
from threadly_contracts.catalog import CategoryChanged

from ..dependencies import SearchDeps
from ..domain.messages import NamesChanged, Scope
from ..storage.names import put_category
from ..storage.tables import SearchCategoryRow


async def project_category(event: CategoryChanged, context: Context[SearchDeps]) -> None:
    """Store the category; a move matters too, as a search in a category looks below it."""
    row = SearchCategoryRow(
        category_id=event.category_id,
        version=event.version,
        parent_id=event.parent_id,
        name=event.name,
        slug=event.slug,
        active=event.active,
    )
    if await put_category(context.tx.session, row, overrules=context.overrules):
        changed = NamesChanged(scope=Scope.CATEGORY, scope_id=event.category_id)
        await context.tx.publish(changed, version=event.version)
