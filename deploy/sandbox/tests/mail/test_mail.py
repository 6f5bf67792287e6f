"""Mails over SMTP, sent by the client the notifier uses."""

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from threadly_sandbox.documents import Documents
from threadly_sandbox.journal import Journal
from threadly_sandbox.mail.inbox import Inbox
from threadly_sandbox.mail.server import mail_server

LIMIT = 3


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def inbox(journal: Journal) -> Inbox:
    return Inbox(Documents(), journal, limit=LIMIT)


@pytest.fixture
async def port(inbox: Inbox) -> AsyncIterator[int]:
    async with mail_server(inbox, "127.0.0.1", 0) as port:
        yield port
    inbox.close()


def letter(to: str = "ada@example.com", subject: str = "Dein Kleid ist unterwegs: Größe 38") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Threadly <hello@threadly.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = "<n-7@threadly.example>"
    message.set_content("Bonjour à tous")
    message.add_alternative("<p>Bonjour <b>à tous</b></p>", subtype="html")
    return message


async def send(port: int, message: EmailMessage, **options: str) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port, start_tls=False, **options)  # type: ignore[arg-type]  # the options are strings


async def test_a_mail_is_kept_with_its_parts(port: int, inbox: Inbox, journal: Journal) -> None:
    await send(port, letter(), username="anybody", password="anything")

    [mail] = inbox.mails(to="ADA@example.com")
    assert mail["subject"] == "Dein Kleid ist unterwegs: Größe 38"
    assert mail["message_id"] == "<n-7@threadly.example>"
    assert mail["text"].strip() == "Bonjour à tous"
    assert mail["html"].strip() == "<p>Bonjour <b>à tous</b></p>"
    assert ["To", "ada@example.com"] in mail["headers"]
    assert inbox.mails(to="bea@example.com") == []
    [entry] = journal.entries("mail")
    assert entry.detail["id"] == mail["id"]


async def test_only_the_newest_mails_are_kept(port: int, inbox: Inbox) -> None:
    for number in range(LIMIT + 2):
        await send(port, letter(subject=str(number)))

    assert [mail["subject"] for mail in inbox.mails()] == ["4", "3", "2"]


@pytest.mark.parametrize(("to", "code"), [("ada@reject.example", 550), ("ada@busy.example", 451)])
async def test_some_recipients_are_refused(port: int, inbox: Inbox, to: str, code: int) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(port, letter(to))

    assert [each.code for each in refused.value.recipients] == [code]
    assert inbox.mails() == []


HOSTILE = [
    b"Subject: =?utf-8?q?broken=ZZ?=\r\n\r\nx",
    b"Subject: =?no-such-charset?b?////?=\r\n\r\nx",
    b"Subject: \xff\xfe raw bytes\r\n\r\nx",
    b"To: ((((((\r\nFrom: <<>>>\r\nDate: yesterday\r\nContent-Type: ;;;\r\n\r\nx",
    b"Content-Type: text/plain; charset=no-such-charset\r\n\r\n\xe9",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>\r\n",
    b"",
]


@pytest.mark.parametrize("raw", HOSTILE)
async def test_hostile_mails_are_kept_too(port: int, inbox: Inbox, raw: bytes) -> None:
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        await client.sendmail("a@example.com", ["ada@example.com"], raw)

    [mail] = inbox.mails()
    assert isinstance(mail["subject"], str)
    mail["subject"].encode()


async def test_mails_survive_a_restart_and_numbers_go_on(tmp_path: Path) -> None:
    path = tmp_path / "mail.sqlite"
    for expected in (1, 2):
        journal = Journal()
        inbox = Inbox(Documents(path), journal)
        inbox.receive(bytes(letter()), sender="a@example.com", recipients=["ada@example.com"])
        assert [mail["id"] for mail in inbox.mails()] == [str(number) for number in range(expected, 0, -1)]
        assert len(journal.entries("mail")) == expected
        inbox.close()


async def test_the_journal_is_bounded_and_ends_its_readers() -> None:
    journal = Journal(limit=2)
    reader = journal.subscribe()
    for number in range(3):
        journal.add("error", str(number), {})
    assert [entry.summary for entry in journal.entries()] == ["1", "2"]

    journal.close()

    async with asyncio.timeout(5):
        assert [entry.summary async for entry in reader] == ["0", "1", "2"]
    assert journal.entries("mail") == []


async def test_a_slow_reader_loses_the_oldest_and_never_holds_up_the_writer() -> None:
    journal = Journal()
    reader = journal.subscribe()
    for number in range(1_000):
        journal.add("error", str(number), {})
    journal.close()

    async with asyncio.timeout(5):
        seen = [int(entry.summary) async for entry in reader]
    assert seen == list(range(1_000 - len(seen), 1_000))
    assert 0 < len(seen) < 1_000
