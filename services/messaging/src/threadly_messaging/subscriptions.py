"""What messaging listens to."""

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import PRODUCT_EVENTS
from threadly_contracts.messaging import ConversationRead, ConversationStarted, MessageSent

from .use_cases.drop_caches import after_message, after_read, after_start
from .use_cases.keep_copies import keep_person, keep_product

SUBSCRIPTIONS = Subscriptions(
    "messaging",
    Consumer(
        "messaging.products",
        gate=Gate.LATEST,
        handlers=dict.fromkeys(PRODUCT_EVENTS, keep_product),
        rebuildable=True,
    ),
    Consumer(
        "messaging.people",
        gate=Gate.LATEST,
        handlers={UserRegistered: keep_person, UserUpdated: keep_person},
        rebuildable=True,
    ),
    EffectConsumer(
        "messaging.cache-invalidator",
        handlers={
            ConversationStarted: after_start,
            MessageSent: after_message,
            ConversationRead: after_read,
        },
    ),
)
