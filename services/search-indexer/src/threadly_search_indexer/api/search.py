"""`/v1/search`."""

from typing import Annotated, Any

from fastapi import Query, Response

from threadly_chassis.errors import Invalid
from threadly_chassis.http import CurrentTransaction, OptionalPrincipal, router
from threadly_chassis.http.cursors import CursorMalformed, Cursors
from threadly_chassis.money import parse_price

from ..dependencies import Deps
from ..domain.query import Position, SearchQuery, normalise_text, normalise_values
from ..use_cases.record_click import record_click
from ..use_cases.search_products import search_products
from .schemas import ClickedResult, SearchPage, SearchRequest

search = router("/v1/search", tags=["search"])


class CursorAndPage(Invalid):
    """A page is reached by its number or by a cursor, not by both."""

    code = "cursor_and_page"
    title = "Give a cursor or a page, not both"


def _query(asked: SearchRequest, default_currency: str) -> SearchQuery:
    bounded = asked.min_price is not None or asked.max_price is not None
    currency = asked.currency or default_currency
    return SearchQuery(
        text=normalise_text(asked.q),
        category_id=asked.category_id,
        # A bound is an amount of one currency: others cannot be compared with it.
        currency=currency if bounded else asked.currency,
        min_price=None if asked.min_price is None else parse_price(asked.min_price, currency),
        max_price=None if asked.max_price is None else parse_price(asked.max_price, currency),
        conditions=normalise_values([each.value for each in asked.condition]),
        sizes=normalise_values(asked.size),
        brands=normalise_values(asked.brand),
        colors=normalise_values(asked.color),
        sort=asked.sort,
        limit=asked.limit,
    )


def _position(asked: SearchRequest, query: SearchQuery, cursors: Cursors) -> Position:
    """Where the page begins; raises `CursorMalformed` for a cursor of another search."""
    if asked.cursor is None:
        return Position(((asked.page or 1) - 1) * query.limit)
    if asked.page is not None:
        raise CursorAndPage
    fingerprint, offset, pinned, anchors = cursors.decode(asked.cursor, parts=4)
    if fingerprint != query.fingerprint:
        raise CursorMalformed("It was made for another search; start again from the first page.")
    return Position(int(offset), tuple(anchors.split(",")) if anchors else (), int(pinned))


@search.get("", response_model=SearchPage)
async def find(asked: Annotated[SearchRequest, Query()], deps: Deps, response: Response) -> dict[str, Any]:
    """Find products that can be bought now.

    Words match titles, brands, categories, colours and descriptions, typing errors forgiven; without a word
    everything matches. Several values of one filter mean any of them. With `cursor`, nothing is shown twice
    and nothing skipped, whatever is sold or listed meanwhile.
    """
    query = _query(asked, deps.settings.default_currency)
    query = query.at(_position(asked, query, deps.cursors))
    # A listing is found within a second of its creation, so no cache outside may answer without asking.
    response.headers["Cache-Control"] = "no-cache"
    return await search_products(query, deps=deps)


@search.post("/clicks", status_code=204)
async def click(
    body: ClickedResult, tx: CurrentTransaction, principal: OptionalPrincipal, deps: Deps
) -> None:
    """Tell that a result was opened, so that searching gets better."""
    await record_click(
        tx,
        query_id=body.query_id,
        product_id=body.product_id,
        position=body.position,
        user_id=principal.user_id if principal else None,
        clock=deps.clock,
    )
