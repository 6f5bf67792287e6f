"""The database's primary is lost and its standby takes over (eventing §3.4.7)."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from threadly_chassis.db import Database
from threadly_chassis.messaging.outcome import Outcome, outcome_of
from threadly_chassis.tasks import end_tasks, wait_until
from threadly_chassis.testing.library.harness import LIBRARY, Library, open_library
from threadly_chassis.testing.library.setback import claims, counted
from threadly_chassis.testing.postgres import clone, database_url, ensure_template
from threadly_chassis.testing.proxy import TcpProxy
from threadly_chassis.testing.rabbit import RabbitManagement
from threadly_chassis.testing.specimen.cluster import Cluster, open_specimen
from threadly_chassis.testing.specimen.harness import LADDER, SPECIMEN
from threadly_chassis.testing.specimen.load import Load, patiently
from threadly_chassis.testing.specimen.service import SUBSCRIPTIONS, write_note
from threadly_embedded.breakable import BreakablePostgres, breakable_postgres
from threadly_embedded.standby import BreakableStandby, breakable_standby

pytestmark = pytest.mark.integration

MakeLoad = Callable[[Cluster], Load]


@dataclass(frozen=True)
class Pair:
    """A primary, and a standby without which it answers no commit."""

    primary: BreakablePostgres
    standby: BreakableStandby
    line: TcpProxy
    """From the standby to its primary."""
    address: TcpProxy
    """Where everybody else looks for the database."""

    async def fail_over(self) -> None:
        """Lose the primary at once and for good; returns when the standby is at its address."""
        await self.primary.kill()
        await self.standby.promote()
        self.address.lead_to(self.standby.server.admin_url)

    async def waits(self, application: str) -> bool:
        """Whether a commit of this application waits for the standby."""
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name = "
        return await asyncio.to_thread(self.primary.server.sql, f"{waiting}'{application}'") != "0"


@pytest.fixture
async def pair(server_folder: Path) -> AsyncIterator[Pair]:
    one, other = server_folder / "one", server_folder / "other"
    one.mkdir()
    other.mkdir()
    async with AsyncExitStack() as stack:
        primary = await stack.enter_async_context(breakable_postgres(one))
        # Before there is a standby whose answers, by way of this loop, its commits would wait for.
        ensure_template(primary.server.admin_url, SPECIMEN)
        line = await stack.enter_async_context(TcpProxy.before(primary.server.admin_url))
        standby = await stack.enter_async_context(breakable_standby(other, primary.server, line.port))
        address = await stack.enter_async_context(TcpProxy.before(primary.server.admin_url))
        yield Pair(primary, standby, line, address)


@pytest.fixture
async def replicated(pair: Pair, vhost: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose database has a synchronous standby."""
    server = pair.primary.server.admin_url
    database = clone(server, ensure_template(server, SPECIMEN))
    await pair.standby.hold_commits()
    management = RabbitManagement(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    async with open_specimen(pair.address.url(database), vhost, LADDER) as specimen:
        yield Cluster(specimen, tmp_path, management)


@pytest.fixture
async def lagging(pair: Pair, vhost: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose database, owner's and readers' in one, has an asynchronous standby."""
    server = pair.primary.server.admin_url
    database = clone(server, ensure_template(server, SPECIMEN))
    management = RabbitManagement(os.environ["THREADLY_TEST_AMQP_MANAGEMENT_URL"])
    async with open_specimen(pair.address.url(database), vhost, LADDER) as specimen:
        yield Cluster(specimen, tmp_path, management)


@pytest.fixture
async def library(pair: Pair, service_database: Callable[[str], str], vhost: str) -> AsyncIterator[Library]:
    """An author whose database has an asynchronous standby, and a reader whose database is elsewhere."""
    server = pair.primary.server.admin_url
    databases = iter(
        (pair.address.url(clone(server, ensure_template(server, LIBRARY))), service_database(LIBRARY))
    )
    async with open_library(lambda _: next(databases), vhost) as library:
        yield library


async def _write_last(cluster: Cluster) -> None:
    """Write a note under a name of its own to the server, so that its commit can be told from others."""
    last = Database.at(f"{cluster.specimen.database_url}?application_name=last")
    try:
        async with last.transaction() as tx:
            await write_note(tx, "unanswered")
    finally:
        await last.close()


async def test_f29_a_standby_is_promoted_under_load(replicated: Cluster, pair: Pair, load: MakeLoad) -> None:
    """F29, R-SYS-10: the primary dies while its standby lags; what was answered or sent is on the new one.

    What was committed on the old one alone had been answered to nobody and was seen by no relay.
    """
    cluster, writing = replicated, load(replicated)
    async with cluster.working(), writing.running():
        await writing.goes_on(40)
        pair.line.hold()
        unanswered = asyncio.create_task(_write_last(cluster))
        await patiently(lambda: pair.waits("last"), describe="a commit to wait for the standby")
        await pair.fail_over()
        with pytest.raises(SQLAlchemyError):
            await unanswered
        await writing.goes_on(40)
    async with cluster.working():
        history = await cluster.verify()
    appended = {fact.event_id: fact.aggregate for fact in history.appended}
    assert set(writing.answered) <= appended.keys()
    assert "unanswered" not in appended.values()


STORIES = tuple(f"story-{number}" for number in range(8))
QUIET = tuple(f"quiet-{number}" for number in range(5))


@asynccontextmanager
async def _telling(library: Library, chance: random.Random) -> AsyncIterator[list[str]]:
    """Tell stories all the time; gives those whose commit was answered, in the order of the answers."""
    answered: list[str] = []
    ending = asyncio.Event()

    async def tell_on() -> None:
        while not ending.is_set():
            story = chance.choice(STORIES)
            try:
                await library.tell(story)
                answered.append(story)
            except (SQLAlchemyError, OSError):
                await wait_until(ending, 0.1)
            await wait_until(ending, chance.uniform(0, 0.1))

    telling = asyncio.create_task(tell_on())
    try:
        yield answered
    finally:
        ending.set()
        await asyncio.wait([telling], timeout=20)
        await end_tasks(telling)


async def _more(answered: list[str], count: int) -> None:
    target = len(answered) + count
    await patiently(lambda: len(answered) >= target, seconds=60, describe=f"{count} more stories")


async def _level(pair: Pair) -> None:
    """Wait until the standby has repeated what the primary has committed so far."""
    lsn = await asyncio.to_thread(pair.primary.server.sql, "select pg_current_wal_lsn()")
    repeated = f"select replay_lsn >= '{lsn}' from pg_stat_replication"  # noqa: S608 - the server's own word

    async def is_level() -> bool:
        return await asyncio.to_thread(pair.primary.server.sql, repeated) == "t"

    await patiently(is_level, describe="the standby to be level")


async def _refuses(url: str) -> None:
    """A standby is no database to connect to: who did before its promotion would not notice that."""
    standby = Database.at(url)
    with pytest.raises(DBAPIError) as caught:
        await standby.ping()
    await standby.close()
    assert outcome_of(caught.value) is Outcome.OUTAGE


async def _has_copied(library: Library, *stories: str) -> bool:
    copied = {story for story, version, _ in await library.copies() if version > 1 or story in stories}
    return copied.issuperset((*stories, *QUIET))


async def _is_healed(library: Library, orphans: tuple[str, ...]) -> bool:
    """Whether the reader shows what the author has, and besides only what is known to be nobody's."""
    if not await library.reader.query("select 1 from inbox_epoch"):
        raise AssertionError("the reader has not heard of the epoch")
    truth, copies = await library.truth(), await library.copies()
    shown = {copy for copy in copies if copy[0] not in orphans}
    doubted = await claims(library)
    if shown != set(truth) or doubted != [(story, True) for story in orphans]:
        raise AssertionError(f"{len(shown ^ set(truth))} differences; in doubt: {doubted}")
    return True


async def _is_applied(library: Library) -> bool:
    """Whether every event that the author knows has come to the reader."""
    committed = await library.author.query(
        "select event_id from outbox_event "
        "where event_type like 'threadly.author.%' and not jsonb_exists(headers, 't-restated')"
    )
    applied = set(await library.reader.query("select event_id from inbox where consumer = 'reader.counter'"))
    missing = set(committed) - applied
    if missing:
        raise AssertionError(f"{len(missing)} of {len(committed)} events not applied")
    return bool(committed)


def _forked(consumer: str) -> float:
    return counted("threadly_consumed_total", consumer=consumer, outcome="forked")


async def test_f29_what_an_asynchronous_standby_never_had_is_found_out_and_healed(
    library: Library, pair: Pair, seed: int, length: int
) -> None:
    """F29: the owner forks. In the end each copy at its reader's is what the owner has, or is shown."""
    born = ("born-0", "born-1")
    before, chance = _forked("reader.copies"), random.Random(seed)  # noqa: S311 - no secret
    async with library.working(), _telling(library, chance) as answered:
        await library.tell(*STORIES, *QUIET)
        await _more(answered, 20 * length)
        await _level(pair)
        pair.line.hold()
        await library.tell(*QUIET, *QUIET[1:], *born)
        await _more(answered, 20 * length)
        await patiently(lambda: _has_copied(library, *born), describe="the reader to have heard all")
        url = library.author.settings.database_url.get_secret_value()
        await _refuses(database_url(pair.standby.server.admin_url, url.rpartition("/")[2]))
        await pair.fail_over()
        await _more(answered, 20 * length)
    async with library.working():
        await patiently(lambda: _is_healed(library, born), seconds=60, describe="the reader to be healed")
        await patiently(lambda: _is_applied(library), describe="every committed event applied")
    assert {version for story, version, _ in await library.truth() if story in QUIET} == {1}
    assert _forked("reader.copies") >= before + len(QUIET)
    assert await library.depth("reader.copies.dlq") == await library.depth("reader.counter.dlq") == 0


async def _comes_to_rest(cluster: Cluster) -> bool:
    """Whether every committed event has come to every consumer, with nothing in doubt or forgotten."""
    query = cluster.specimen.query
    [(missing, pending, doubted, behind, caught_up)] = await query(
        "select (select count(*) from outbox_event e, unnest(cast(:consumers as text[])) c"
        "  where e.event_type like 'threadly.specimen.%' and not jsonb_exists(e.headers, 't-restated')"
        "  and not exists (select from inbox i where i.consumer = c and i.event_id = e.event_id)),"
        " (select count(*) from outbox_pending), (select count(*) from inbox_claim where not is_orphan),"
        " (select count(*) from inbox_catch_up where ended_at is null),"
        " (select count(*) from inbox_catch_up)",
        consumers=[consumer.name for consumer in SUBSCRIPTIONS],
    )
    if missing or pending or doubted or behind:
        raise AssertionError(f"{missing} missing, {pending} pending, {doubted} in doubt, {behind} behind")
    return bool(caught_up)


async def test_f29_owner_and_readers_are_set_back_together(
    lagging: Cluster, pair: Pair, load: MakeLoad
) -> None:
    """F29: acknowledged and forgotten events come again, and erased ones are overruled."""
    cluster, writing = lagging, load(lagging)
    async with cluster.working(), writing.running():
        await writing.goes_on(20)
        await _level(pair)
        pair.line.hold()
        await writing.goes_on(40)
        await pair.fail_over()
        await writing.goes_on(40)
    async with cluster.working():
        await patiently(lambda: _comes_to_rest(cluster), seconds=60, describe="everything at rest")
    known = await cluster.specimen.appended()
    assert set(writing.answered) - known, "nothing was lost: the run proves nothing"
    once = await cluster.specimen.query(
        "select max(times) from (select count(*) as times from effect "
        "where consumer <> 'specimen.outside' group by consumer, event_id) e"
    )
    assert once == [(1,)]
    wrong = await cluster.specimen.query(
        "select n.note_id, n.version, e.version from note n left join lateral ("
        "  select version from effect where consumer = 'specimen.newest' and note_id = n.note_id"
        "  order by id desc limit 1) e on true where e.version is distinct from n.version"
    )
    assert wrong == []
