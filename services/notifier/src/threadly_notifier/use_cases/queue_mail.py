"""Compose the mails that an event calls for, once each, and ask for them to be sent."""

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.errors import Retryable
from threadly_chassis.ids import new_id
from threadly_chassis.messaging import Context
from threadly_chassis.observability.logging import get_logger
from threadly_contracts import Event

from ..dependencies import NotifierDeps
from ..domain.letters import Letter, letters_for, one_line, write
from ..domain.messages import MailQueued
from ..storage.tables import ContactRow, MailRow

_log = get_logger(__name__)


class ContactUnknown(Retryable):
    """Auth's event about this person has not arrived yet; it will."""

    code = "contact_unknown"


async def queue_mail(event: Event, context: Context[NotifierDeps]) -> None:
    """Store the mails of `event` (R-ORD-11); raises `ContactUnknown` while a recipient is not known."""
    for letter in letters_for(event):
        contact = await context.tx.session.get(ContactRow, letter.user_id)
        if contact is None:
            raise ContactUnknown(str(letter.user_id))
        if contact.email:
            await _store(letter, contact, context)
        else:
            _log.info("no address for mail", user=str(letter.user_id), template=letter.template)


async def _store(letter: Letter, contact: ContactRow, context: Context[NotifierDeps]) -> None:
    text, html = write(letter, contact.greeting)
    mail_id = new_id()
    stored = await context.tx.session.execute(
        insert(MailRow)
        .values(
            id=mail_id,
            user_id=contact.user_id,
            event_id=context.event_id,
            template=letter.template,
            subject=one_line(letter.subject),
            text=text,
            html=html,
            created_at=context.deps.clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(MailRow.id)
    )
    if stored.first():
        await context.tx.publish(MailQueued(mail_id=mail_id), version=1)
