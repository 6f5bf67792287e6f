"""`/v1/categories`."""

from functools import partial
from uuid import UUID

from fastapi import Query, Response, status

from threadly_chassis.errors import Forbidden
from threadly_chassis.http import CurrentTransaction, OperatorPrincipal, OptionalPrincipal, router

from ..dependencies import Deps
from ..domain.tags import category_tag, tags_of_category
from ..use_cases.change_category import change_category
from ..use_cases.create_category import NewCategory, create_category
from ..use_cases.get_category_tree import get_category_tree
from .etags import Versioned, etag
from .schemas import CategoryChanges, NewCategoryInput
from .views import CategoryBranch, CategoryTree, CategoryView

routes = router("/v1/categories", tags=["categories"])


@routes.get("")
async def show_tree(
    deps: Deps, principal: OptionalPrincipal, *, include_inactive: bool = Query(default=False)
) -> CategoryTree:
    """The tree of open categories with their counts; operators may ask for the closed ones too."""
    if include_inactive and (principal is None or "operator" not in principal.roles):
        raise Forbidden("This is for operators.")
    branches = await get_category_tree(deps, closed_too=include_inactive)
    return CategoryTree(data=[CategoryBranch.grown(branch) for branch in branches])


@routes.post("", status_code=status.HTTP_201_CREATED)
async def create(
    body: NewCategoryInput,
    tx: CurrentTransaction,
    _: OperatorPrincipal,
    deps: Deps,
    response: Response,
) -> CategoryView:
    """Make a category (operators)."""
    category = await create_category(tx, NewCategory(**body.model_dump()))
    tx.after_commit(partial(deps.cache.drop_quietly, *tags_of_category(category.category_id)))
    response.headers["Location"] = f"{routes.prefix}/{category.category_id}"
    response.headers["ETag"] = etag(category.version)
    return CategoryView.of(category)


@routes.patch("/{category_id}")
async def change(
    category_id: UUID,
    body: CategoryChanges,
    tx: CurrentTransaction,
    _: OperatorPrincipal,
    deps: Deps,
    versions: Versioned,
) -> CategoryView:
    """Rename, move, order, close or open a category (operators)."""
    changed = await change_category(tx, category_id, body.given(), is_current=versions.check(required=False))
    stale = tags_of_category(category_id)
    if changed.previous_parent_id is not None:
        stale = (*stale, category_tag(changed.previous_parent_id))
    tx.after_commit(partial(deps.cache.drop_quietly, *stale))
    versions.tell(changed.category.version)
    return CategoryView.of(changed.category)
