"""The whole sandbox as one: its page, its switches, and the process that runs it."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from threadly_sandbox.main import Addresses, sandbox
from threadly_sandbox.settings import SandboxSettings
from threadly_sandbox.testing import Receiver, receiving

PORTS = ("page_port", "clerk_port", "stripe_port", "algolia_port", "pusher_port", "sentry_port", "smtp_port")
HOSTILE = "<script>alert('subject')</script>"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def system(receiver: Receiver) -> AsyncIterator[Addresses]:
    settings = SandboxSettings.model_validate({"public_url": receiver.url, **dict.fromkeys(PORTS, 0)})
    async with sandbox(settings) as addresses:
        yield addresses


@pytest.fixture
async def page(system: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.page) as page:
        yield page


@pytest.fixture
async def stripe(system: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=system.stripe, auth=("sk_test_sandbox", "")) as stripe:
        yield stripe


ORDER = {"amount": "4200", "currency": "eur"}


async def send_mail(port: int, subject: str, html: str) -> None:
    message = EmailMessage()
    message["From"] = "hello@threadly.example"
    message["To"] = "ada@example.com"
    message["Subject"] = subject
    message.set_content("text")
    message.add_alternative(html, subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port, start_tls=False)


async def test_the_page_loads_nothing_from_elsewhere_and_writes_text_only(page: httpx.AsyncClient) -> None:
    answer = await page.get("/")

    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "innerHTML" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


async def test_a_mail_is_listed_and_shown_where_it_can_do_nothing(
    system: Addresses, page: httpx.AsyncClient
) -> None:
    await send_mail(system.smtp_port, HOSTILE, f"<h1>Hello</h1>{HOSTILE}")

    [mail] = (await page.get("/api/mails", params={"to": "ada@example.com"})).json()["data"]
    assert (mail["subject"], mail["envelope_to"]) == (HOSTILE, ["ada@example.com"])
    assert (await page.get("/api/mails", params={"to": "bea@example.com"})).json()["data"] == []
    shown = await page.get(f"/mails/{mail['id']}")
    assert "<h1>Hello</h1>" in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert (await page.get("/mails/99")).status_code == 404


async def test_the_stream_tells_what_was_and_what_comes(
    system: Addresses, page: httpx.AsyncClient, stripe: httpx.AsyncClient
) -> None:
    await send_mail(system.smtp_port, "first", "<p>")
    subjects: list[str] = []
    async with asyncio.timeout(10), page.stream("GET", "/api/journal/stream") as stream:
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            entry = json.loads(line.removeprefix("data: "))
            subjects.append(entry["kind"])
            if entry["kind"] == "mail":
                await stripe.post("/v1/payment_intents", data=ORDER)
            if entry["kind"] == "webhook":
                break

    assert subjects == ["mail", "payment", "webhook"]


async def test_the_journal_is_read_by_kind_and_from_a_number(
    page: httpx.AsyncClient, stripe: httpx.AsyncClient, receiver: Receiver
) -> None:
    await stripe.post("/v1/payment_intents", data=ORDER)
    await receiver.until(lambda got: len(got.received) == 1)

    payments = (await page.get("/api/journal", params={"kind": "payment"})).json()["data"]
    assert [each["kind"] for each in payments] == ["payment"]
    last = payments[-1]["number"]
    newer = (await page.get("/api/journal", params={"after": last, "kind": "payment"})).json()["data"]
    assert newer == []
    assert (await page.get("/api/journal", params={"kind": "gossip"})).status_code == 422


async def test_webhooks_go_astray_on_request(
    page: httpx.AsyncClient, stripe: httpx.AsyncClient, receiver: Receiver
) -> None:
    set_ = await page.post("/control/stripe/webhooks", json={"duplicate": 1, "delay_ms": 10})
    assert set_.json()["plan"]["duplicate"] == 1
    await stripe.post("/v1/payment_intents", data=ORDER)
    await receiver.until(lambda got: len(got.received) == 2)

    reset = await page.post("/control/stripe/webhooks", json={})
    assert reset.json()["plan"]["duplicate"] == 0
    assert (await page.post("/control/stripe/webhooks", json={"lose": 1})).status_code == 422
    assert (await page.get("/control/nobody/webhooks")).status_code == 404


@pytest.mark.parametrize("executed", [False, True])
async def test_a_provider_fails_on_request_before_or_after_the_deed(
    page: httpx.AsyncClient, stripe: httpx.AsyncClient, *, executed: bool
) -> None:
    plan = {"times": 1, "status": 502, "executed": executed, "path": "/v1/payment_intents"}
    assert (await page.post("/control/stripe/faults", json=plan)).status_code == 200

    assert (await stripe.get("/v1/events")).status_code == 200
    assert (await stripe.post("/v1/payment_intents", data=ORDER)).status_code == 502
    listed = (await stripe.get("/v1/payment_intents")).json()["data"]
    assert len(listed) == int(executed)


async def test_clerks_key_is_changed_on_request(system: Addresses, page: httpx.AsyncClient) -> None:
    async def key_ids() -> list[str]:
        async with httpx.AsyncClient(base_url=system.clerk) as clerk:
            key_set = (await clerk.get("/.well-known/jwks.json")).json()
        return [each["kid"] for each in key_set["keys"]]

    [old] = await key_ids()
    new = (await page.post("/control/clerk/keys")).json()["kid"]
    assert await key_ids() == [new, old]
    newest = (await page.post("/control/clerk/keys", params={"retire_old": "true"})).json()["kid"]
    assert await key_ids() == [newest]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def test_the_process_starts_and_stops_on_a_signal_though_a_page_is_open(tmp_path: Path) -> None:
    ports = {f"THREADLY_SANDBOX_{name.upper()}": str(free_port()) for name in PORTS}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "threadly_sandbox.main",
        env=os.environ | ports | {"THREADLY_SANDBOX_DATA_DIR": str(tmp_path)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(60):
        line = await process.stderr.readline()
        assert b"the sandbox is up" in line
        address = f"http://127.0.0.1:{ports['THREADLY_SANDBOX_PAGE_PORT']}"
        async with httpx.AsyncClient(base_url=address) as page:
            await send_mail(int(ports["THREADLY_SANDBOX_SMTP_PORT"]), "hello", "<p>")
            async with page.stream("GET", "/api/journal/stream") as stream:
                lines = stream.aiter_lines()
                assert (await anext(lines)).startswith("id: ")
                process.send_signal(signal.SIGTERM)
                async for _ in lines:
                    pass
        assert await process.wait() == 0
    assert (await process.stderr.read()) == b""
    kept = await asyncio.to_thread(lambda: {path.name for path in tmp_path.iterdir()})
    assert kept >= {"clerk.sqlite", "mail.sqlite", "stripe.sqlite"}
