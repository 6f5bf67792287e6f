"""THE table of what notifier listens to."""

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.messaging import ConversationRead, ConversationStarted, MessageSent
from threadly_contracts.orders import OrderConfirmed, PaymentFailed, SaleRejected

from .domain.messages import MailQueued, NotificationCreated
from .use_cases.broadcast import (
    broadcast_conversation,
    broadcast_message,
    broadcast_order,
    broadcast_payment_failure,
    broadcast_read,
)
from .use_cases.note_contact import note_contact
from .use_cases.push_notification import push_notification
from .use_cases.queue_mail import queue_mail
from .use_cases.send_mail import send_mail
from .use_cases.tell_people import tell_people

SUBSCRIPTIONS = Subscriptions(
    "notifier",
    Consumer(
        "notifier.contacts",
        gate=Gate.LATEST,
        handlers={UserRegistered: note_contact, UserUpdated: note_contact},
        rebuildable=True,
    ),
    Consumer(
        "notifier.inbox",
        handlers={
            OrderConfirmed: tell_people,
            PaymentFailed: tell_people,
            SaleRejected: tell_people,
            MessageSent: tell_people,
        },
    ),
    Consumer("notifier.mail", handlers={OrderConfirmed: queue_mail, SaleRejected: queue_mail}),
    EffectConsumer("notifier.mail-sender", handlers={MailQueued: send_mail}),
    EffectConsumer("notifier.push", handlers={NotificationCreated: push_notification}),
    EffectConsumer(
        "notifier.realtime",
        handlers={
            MessageSent: broadcast_message,
            ConversationStarted: broadcast_conversation,
            ConversationRead: broadcast_read,
            OrderConfirmed: broadcast_order,
            PaymentFailed: broadcast_payment_failure,
        },
    ),
)
