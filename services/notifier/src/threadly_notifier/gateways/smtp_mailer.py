"""Mail by SMTP; the only file that imports aiosmtplib."""

from email.message import EmailMessage

import aiosmtplib

from threadly_chassis.context import current_action
from threadly_chassis.observability.tracing import span

from ..settings import NotifierSettings
from .mailer import Mail, MailRejected, MailUnavailable

_PERMANENT = 500


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Build the MIME message; raises `MailRejected` when a header would carry a line break (E103)."""
    message = EmailMessage()
    try:
        message["Message-ID"] = mail.message_id
        message["From"] = sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Auto-Submitted"] = "auto-generated"
    except ValueError as fault:
        raise MailRejected(str(fault)) from fault
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


class SmtpMailer:
    """Sends through one SMTP server, a connection a mail."""

    def __init__(self, settings: NotifierSettings) -> None:
        self._settings = settings

    async def send(self, mail: Mail) -> None:
        """Send a mail; 5xx answers are `MailRejected`, everything else that fails is `MailUnavailable`."""
        settings = self._settings
        message = compose(mail, settings.mail_from)
        current_action().external_calls += 1
        with span("smtp send"):
            try:
                await aiosmtplib.send(
                    message,
                    hostname=settings.smtp_host,
                    port=settings.smtp_port,
                    username=settings.smtp_username or None,
                    password=settings.smtp_password.get_secret_value() or None,
                    use_tls=settings.smtp_tls,
                    timeout=settings.provider_timeout,
                )
            except aiosmtplib.SMTPResponseException as answer:
                if answer.code >= _PERMANENT:
                    raise MailRejected(f"{answer.code}") from answer
                raise MailUnavailable(f"{answer.code}") from answer
            except aiosmtplib.SMTPRecipientsRefused as refusal:
                codes = [recipient.code for recipient in refusal.recipients]
                if min(codes) >= _PERMANENT:
                    raise MailRejected(f"{codes}") from refusal
                raise MailUnavailable(f"{codes}") from refusal
            except (aiosmtplib.SMTPException, OSError) as failure:
                raise MailUnavailable(type(failure).__name__) from failure
