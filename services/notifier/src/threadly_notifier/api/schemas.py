"""What notifier's API says."""

from datetime import datetime
from uuid import UUID

from threadly_chassis.http import Page, ResponseModel
from threadly_contracts.values import NotificationType


class NotificationView(ResponseModel):
    """A notice."""

    id: UUID
    type: NotificationType
    title: str
    message: str
    subject_id: UUID
    created_at: datetime
    read_at: datetime | None


class NotificationPage(Page[NotificationView]):
    """A page of notices, newest first, and how many in all were not read."""

    unread_count: int
