"""What orders listens to."""

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import PRODUCT_EVENTS
from threadly_contracts.orders import OrderConfirmed

from .domain.messages import IntentAbandoned, RefundOwed, StripeEventReceived
from .use_cases.cancel_abandoned_intent import cancel_abandoned_intent
from .use_cases.forget_orders import forget_orders
from .use_cases.give_money_back import give_money_back
from .use_cases.process_stripe_event import process_stripe_event
from .use_cases.track_people import track_person
from .use_cases.track_products import track_product

SUBSCRIPTIONS = Subscriptions(
    "orders",
    Consumer(
        "orders.products",
        gate=Gate.LATEST,
        handlers=dict.fromkeys(PRODUCT_EVENTS, track_product),
        rebuildable=True,
    ),
    Consumer(
        "orders.people",
        gate=Gate.LATEST,
        handlers={UserRegistered: track_person, UserUpdated: track_person},
        rebuildable=True,
    ),
    EffectConsumer("orders.stripe-events", handlers={StripeEventReceived: process_stripe_event}),
    EffectConsumer(
        "orders.stripe-commands",
        handlers={IntentAbandoned: cancel_abandoned_intent, RefundOwed: give_money_back},
    ),
    EffectConsumer("orders.cache-invalidator", handlers={OrderConfirmed: forget_orders}),
)
