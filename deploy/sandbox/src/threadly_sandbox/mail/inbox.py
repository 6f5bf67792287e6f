"""Mails that were sent, parsed and kept: the newest thousand."""

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from itertools import count

from ..documents import Documents, Json
from ..journal import Journal

_KIND = "mail"
_ON_START = 50  # stored mails the journal is told about again after a restart


class Inbox:
    """All mails to everybody; nothing ever leaves the machine."""

    def __init__(self, documents: Documents, journal: Journal, limit: int = 1_000) -> None:
        self._documents = documents
        self._journal = journal
        self._limit = limit
        newest = documents.find(_KIND, limit=1)
        self._numbers = count(int(newest[0]["id"]) + 1 if newest else 1)
        for mail in reversed(documents.find(_KIND, limit=_ON_START)):
            self._announce(mail)

    def receive(self, content: bytes, *, sender: str, recipients: list[str]) -> Json:
        mail = _parse(content) | {
            "id": str(next(self._numbers)),
            "received_at": datetime.now(UTC).isoformat(),
            "envelope_from": sender,
            "envelope_to": recipients,
        }
        self._documents.put(_KIND, mail)
        self._documents.delete(_KIND, str(int(mail["id"]) - self._limit))
        self._announce(mail)
        return mail

    def mails(self, to: str | None = None) -> list[Json]:
        """Newest first; `to` is an envelope address, compared without case."""
        mails = self._documents.find(_KIND)
        if to is None:
            return mails
        return [mail for mail in mails if to.lower() in (each.lower() for each in mail["envelope_to"])]

    def mail(self, mail_id: str) -> Json | None:
        return self._documents.get(_KIND, mail_id)

    def close(self) -> None:
        self._documents.close()

    def _announce(self, mail: Json) -> None:
        detail = {key: mail[key] for key in ("id", "subject", "from", "envelope_to")}
        detail["has_html"] = mail["html"] is not None
        summary = f"{', '.join(mail['envelope_to'])}: {mail['subject']}"
        self._journal.add("mail", summary, detail, at=datetime.fromisoformat(mail["received_at"]))


def _parse(content: bytes) -> Json:
    message = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
    headers = [[name, _text_of(value)] for name, value in message.raw_items()]
    wanted = {name.lower(): value for name, value in reversed(headers)}
    return {
        "subject": wanted.get("subject", ""),
        "from": wanted.get("from", ""),
        "to": wanted.get("to", ""),
        "message_id": wanted.get("message-id", ""),
        "headers": headers,
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
    }


def _text_of(raw: str) -> str:
    """Decode `=?utf-8?…?=` words; a header that cannot be read is shown as it came."""
    try:
        return str(policy.default.header_fetch_parse("x-any", raw))
    except Exception:  # noqa: BLE001 - the parser of hostile headers has raised many kinds of errors
        return raw.encode("ascii", "replace").decode()


def _body(message: EmailMessage, subtype: str) -> str | None:
    part = message.get_body((subtype,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset nobody knows
        return content.decode("latin-1")
