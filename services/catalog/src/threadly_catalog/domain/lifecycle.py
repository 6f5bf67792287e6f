"""Which moves a product may make, and on whose word: the table."""

from enum import StrEnum

from threadly_contracts.catalog import ProductStatus

AVAILABLE, RESERVED = ProductStatus.AVAILABLE, ProductStatus.RESERVED
SOLD, REMOVED = ProductStatus.SOLD, ProductStatus.REMOVED


class Mover(StrEnum):
    """On whose word a product moves."""

    SELLER = "seller"
    CHECKOUT = "checkout"
    SALE = "sale"


#: (from, to): who may. A pair that is not here is no move at all.
MOVES: dict[tuple[ProductStatus, ProductStatus], Mover] = {
    (AVAILABLE, REMOVED): Mover.SELLER,
    (REMOVED, AVAILABLE): Mover.SELLER,
    (AVAILABLE, RESERVED): Mover.CHECKOUT,
    (RESERVED, AVAILABLE): Mover.CHECKOUT,
    (AVAILABLE, SOLD): Mover.SALE,
    (RESERVED, SOLD): Mover.SALE,
    # The buyer paid before orders heard of the withdrawal: the sale stands.
    (REMOVED, SOLD): Mover.SALE,
}

#: What lists and category counts show; a reserved item may come back in minutes, so it stays in sight.
LISTED = frozenset({AVAILABLE, RESERVED})
#: What its seller can neither edit nor withdraw (E010, E065).
FROZEN = frozenset({RESERVED, SOLD})


def may_move(mover: Mover, source: ProductStatus, target: ProductStatus) -> bool:
    """Whether `mover` may bring a product from one status to another."""
    return MOVES.get((source, target)) is mover


def listed_change(source: ProductStatus | None, target: ProductStatus) -> int:
    """What a move does to the number of listed products: -1, 0 or 1; `source` is None for a new one."""
    return int(target in LISTED) - int(source in LISTED)
