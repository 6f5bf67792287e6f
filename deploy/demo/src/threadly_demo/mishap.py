"""The story of a message that gives up: a consumer fails on purpose, an operator heals it."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from .cast import Cast
from .narrator import Narrator
from .sale import Sale
from .waiting import expect, until
from .world import World

_CONSUMER = "notifier.inbox"
_WORDS = "It arrived, thank you!"


class CommandFailed(AssertionError):
    """An operator's command returned a non-zero exit code."""


async def operate(world: World, service: str, *command: str) -> str:
    """Run an operator's command where the services run; returns what it printed, raises `CommandFailed`."""
    if world.operator_command:
        words = [word.replace("{service}", service) for word in world.operator_command] + list(command)
    else:
        words = [str(Path(sys.executable).parent / command[0]), *command[1:]]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise CommandFailed(f"{' '.join(command)}: {printed.decode().strip()}")
    return printed.decode()


async def _switch(world: World, verb: str, *more: str) -> None:
    module = ("python", "-m", "threadly_chassis.messaging.faults")
    await operate(world, "notifier", *module, verb, "threadly_notifier", _CONSUMER, *more)


async def tell_mishap(cast: Cast, tell: Narrator, sale: Sale) -> None:
    """Tell it; raises as `tell_sale`, and `CommandFailed`."""
    within = cast.world.patience
    async with tell.step(f"On purpose, {_CONSUMER} fails for good from now on"):
        await _switch(cast.world, "set", "the inbox fell off the wall", "--permanent")
    try:
        async with tell.step("Bo thanks Selma; the message is sent, but her notice is not there"):
            path = f"/v1/conversations/{sale.conversation_id}/messages"
            await sale.buyer.api.post(path, {"content": _WORDS})
            letter = await until(
                lambda: _dead_letter(cast.world), what="the dead letter to be gathered", within=within
            )
            expect(that=await _notices(sale) == [], what="no notice yet")
            tell.remark(f"threadly dlq list: {letter}")
    finally:
        await _switch(cast.world, "clear")
    letter_id = letter.split()[0]
    async with tell.step("threadly dlq show: why, where, how often, with stack and trace"):
        shown = await operate(cast.world, "operations", "threadly", "dlq", "show", letter_id)
        for words in ("the inbox fell off the wall", "Traceback", _WORDS, "trace_id"):
            expect(that=words in shown, what=f"{words!r} in threadly dlq show")
    async with tell.step("threadly dlq replay: the consumer applies it, and says so"):
        replayed = await operate(
            cast.world, "operations", "threadly", "dlq", "replay", letter_id, "--wait", str(within)
        )
        expect(that="1 of 1 resolved" in replayed, what=f"resolved: {replayed}")
    async with tell.step("Selma's notice is there, once; nothing else happened twice"):
        await until(lambda: _notices(sale), what="the notice", within=within)
        expect(that=len(await _notices(sale)) == 1, what="one notice")
        messages = (await sale.seller.api.get(path))["data"]
        same = [message for message in messages if message["content_text"] == _WORDS]
        expect(that=len(same) == 1, what=f"one message: {same}")


async def _dead_letter(world: World) -> str | None:
    printed = await operate(world, "operations", "threadly", "dlq", "list", "--consumer", _CONSUMER)
    return next((line for line in printed.splitlines() if _CONSUMER in line), None)


async def _notices(sale: Sale) -> list[dict[str, Any]]:
    notices = (await sale.seller.api.get("/v1/notifications"))["data"]
    return [notice for notice in notices if notice["message"] == _WORDS]
