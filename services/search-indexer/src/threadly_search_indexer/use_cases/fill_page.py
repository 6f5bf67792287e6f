"""Fills a page with what is really available, from a source that may be behind (E073, E074, E082)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ..domain.listing import Listing
from ..domain.query import Position
from ..gateways.search_index import IndexHit

#: Asks the source for a stretch of its results: offset, length.
Fetch = Callable[[int, int], Awaitable[list[IndexHit]]]
#: Loads what is known of some products now, whatever their state.
Enrich = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Listing]]]

#: How often the source is asked for one page; a page that is short after that says so by its cursor.
_ROUNDS = 5
#: A cursor carries the last ids shown and the last ids seen, so many of each: the next page finds its place
#: as long as one of them is still in the index.
_ANCHORS = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """One result: its place in the source's order, the source's fields, and what is true now."""

    place: int
    hit: IndexHit
    listing: Listing


@dataclass(slots=True)
class FilledPage:
    """A page, and where the next one begins; None after the last."""

    shown: list[Shown] = field(default_factory=list)
    following: Position | None = None
    filtered_out: int = 0
    """Hits that are reserved, sold or removed (R-SRCH-06)."""
    unknown: int = 0
    """Hits that this service never heard of: the index has drifted (E074)."""
    seen: list[tuple[int, str]] = field(default_factory=list)
    """Every hit that was judged: its place and id."""


def _product_id(hit: IndexHit) -> UUID | None:
    try:
        return UUID(hit.object_id)
    except ValueError:
        return None


def _already_shown(hits: Sequence[IndexHit], start: Position, at: int) -> int:
    """How many of a stretch that begins at `at` come before the page: up to the newest anchor still there.

    When all of them have gone, everything behind them has moved up by their number.
    """
    places = {hit.object_id: place for place, hit in enumerate(hits)}
    for anchor in reversed(start.anchors):
        if anchor in places:
            return places[anchor] + 1
    return min(max(0, start.offset - at - len(start.anchors)), len(hits))


async def _judge(page: FilledPage, hits: Sequence[IndexHit], place: int, enrich: Enrich) -> None:
    """Take over the hits that are available, in their order; count the others."""
    ids = [_product_id(hit) for hit in hits]
    listings = await enrich([each for each in ids if each is not None]) if ids else {}
    taken = {shown.hit.object_id for shown in page.shown}
    for at, (hit, product_id) in enumerate(zip(hits, ids, strict=True), place):
        page.seen.append((at, hit.object_id))
        listing = listings.get(product_id) if product_id else None
        if listing is None:
            page.unknown += 1
        elif not listing.is_available:
            page.filtered_out += 1
        elif hit.object_id not in taken:
            page.shown.append(Shown(at, hit, listing))


async def fill_page(fetch: Fetch, enrich: Enrich, *, limit: int, start: Position) -> FilledPage:
    """Collect `limit` available results from `start` on, and one more to know of a next page."""
    page = FilledPage()
    # An earlier start shows the anchors, wherever sales in between have moved them.
    at = max(0, start.offset - limit - 2 * _ANCHORS) if start.anchors else start.offset
    exhausted = False
    for round_ in range(_ROUNDS):
        length = limit + 1 + (start.offset - at if round_ == 0 else 0)
        hits = await fetch(at, length)
        skipped = _already_shown(hits, start, at) if round_ == 0 and start.anchors else 0
        await _judge(page, hits[skipped:], at + skipped, enrich)
        at += len(hits)
        exhausted = len(hits) < length
        if exhausted or len(page.shown) > limit:
            break
    _cut(page, limit, start, None if exhausted else at)
    return page


def _cut(page: FilledPage, limit: int, start: Position, reached: int | None) -> None:
    """Keep `limit` results and note where the next page begins."""
    more = len(page.shown) > limit
    del page.shown[limit:]
    offset = page.shown[-1].place + 1 if more else reached
    if offset is None:
        return
    page.following = Position(offset, _anchors(page, start, offset), start.pinned)


def _anchors(page: FilledPage, start: Position, offset: int) -> tuple[str, ...]:
    """The ids before `offset` that the next page looks for, oldest first.

    Those shown are in it, as nothing shown may come again; those only seen too, as they hold a place.
    """
    seen = [*start.anchors, *(object_id for place, object_id in page.seen if place < offset)]
    shown = [*start.anchors, *(each.hit.object_id for each in page.shown)]
    kept = {*seen[-_ANCHORS:], *shown[-_ANCHORS:]}
    return tuple(object_id for object_id in dict.fromkeys(seen) if object_id in kept)
