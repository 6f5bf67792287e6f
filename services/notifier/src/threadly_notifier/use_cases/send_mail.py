"""Hand a composed mail to the mail server."""

from sqlalchemy import update

from threadly_chassis.messaging import EffectContext

from ..dependencies import NotifierDeps
from ..domain.messages import MailQueued
from ..gateways.mailer import Mail
from ..storage.tables import ContactRow, MailRow


async def send_mail(event: MailQueued, context: EffectContext[NotifierDeps]) -> None:
    """Send a mail that was not sent yet.

    Between the server's answer and our mark a crash can repeat it; the Message-ID stays the same, so a
    mail program shows it once.
    """
    deps = context.deps
    async with deps.db.read() as session:
        row = await session.get_one(MailRow, event.mail_id)
        contact = await session.get_one(ContactRow, row.user_id)
    if row.sent_at is not None:
        return
    await deps.mailer.send(
        Mail(f"<{row.id}@threadly.example>", contact.email, row.subject, row.text, row.html)
    )
    async with deps.db.transaction() as tx:
        await tx.session.execute(update(MailRow).where(MailRow.id == row.id).values(sent_at=deps.clock.now()))
