"""Mail, whoever carries it."""

from dataclasses import dataclass
from typing import Protocol

from threadly_chassis.errors import Permanent, Retryable


class MailUnavailable(Retryable):
    """The mail server is away or asks to come later; the mail may or may not have been taken."""

    code = "mail_unavailable"


class MailRejected(Permanent):
    """The mail server refuses this mail, and always will; or the mail is malformed."""

    code = "mail_rejected"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, ready to be sent.

    `message_id` is derived from the mail's own id, so that a repeat after a lost answer is recognised.
    """

    message_id: str
    to: str
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Hands a mail to a mail server."""

    async def send(self, mail: Mail) -> None:
        """Return when the server has taken it; raises `MailUnavailable` or `MailRejected`."""
        ...
