"""Many products at once, in the order asked (R-PERF-04)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from threadly_chassis.db import ReadSession
from threadly_contracts.catalog import ProductState

from ..domain.lifecycle import REMOVED
from ..storage.products import products_by_id
from ..storage.sellers import Seller, sellers_by_id


@dataclass(frozen=True, slots=True)
class LoadedProduct:
    """A product with its seller; images included."""

    product: ProductState
    seller: Seller | None


async def load_products(session: ReadSession, product_ids: Sequence[UUID]) -> list[LoadedProduct | None]:
    """Load products by id, one entry per id and in their order; None where there is none, or a withdrawn one.

    It takes three statements, however many ids there are.
    """
    products = await products_by_id(session, product_ids)
    shown = {product.product_id: product for product in products.values() if product.status is not REMOVED}
    sellers = await sellers_by_id(session, (product.seller_id for product in shown.values()))
    loaded = {
        product_id: LoadedProduct(product, sellers.get(product.seller_id))
        for product_id, product in shown.items()
    }
    return [loaded.get(product_id) for product_id in product_ids]
