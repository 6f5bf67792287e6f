"""THE table of what catalog listens to."""

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import PRODUCT_EVENTS, CategoryChanged
from threadly_contracts.orders import CheckoutEnded, CheckoutStarted, OrderConfirmed

from .use_cases.drop_caches import drop_category_caches, drop_product_caches
from .use_cases.hold_product import hold_product
from .use_cases.release_product import release_product
from .use_cases.remember_seller import remember_seller
from .use_cases.sell_product import sell_product

SUBSCRIPTIONS = Subscriptions(
    "catalog",
    # Checkouts and orders are different aggregates: of one item they come in any order (domain/stock.py).
    Consumer(
        "catalog.stock",
        gate=Gate.NONE,
        handlers={
            CheckoutStarted: hold_product,
            CheckoutEnded: release_product,
            OrderConfirmed: sell_product,
        },
    ),
    Consumer(
        "catalog.sellers",
        gate=Gate.LATEST,
        handlers={UserRegistered: remember_seller, UserUpdated: remember_seller},
        rebuildable=True,
    ),
    EffectConsumer(
        "catalog.cache-invalidator",
        handlers={
            **dict.fromkeys(PRODUCT_EVENTS, drop_product_caches),
            CategoryChanged: drop_category_caches,
        },
    ),
)
