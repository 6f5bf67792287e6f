"""Notifier's messages to itself: what must happen outside the database once it has committed."""

from uuid import UUID

from threadly_contracts import Event


class NotificationCreated(
    Event,
    type="threadly.notifier.notification_created.v1",
    aggregate="notification",
    subject="notification_id",
):
    """A notice was stored; push it."""

    notification_id: UUID


class MailQueued(Event, type="threadly.notifier.mail_queued.v1", aggregate="mail", subject="mail_id"):
    """A mail was composed; send it."""

    mail_id: UUID
