"""The consumer with its inbox, against one transaction a message, and against no inbox at all."""

import time

from threadly_chassis.messaging.consumer import PREFETCH, ConsumerRunner
from threadly_chassis.schedules import Schedules
from threadly_chassis.worker import Worker

from ..backlog import messages, publish_batches
from ..baselines.consuming import consume_and_ack, one_transaction_each
from ..place import Place, Servers, place
from ..report import Verdict, beside
from ..rounds import Rounds, Sample, take_turns
from ..running import until
from ..scale import Scale
from ..service import CONSUMER, METER, SUBSCRIPTIONS, BenchDeps, Record, production_settings

OURS, ONE_EACH, PLAIN = "consumer", "one transaction each", "aio-pika ack only"
_OF_ONE_EACH, _OF_PLAIN = 5.0, 0.6
_ONE_EACH_CONSUMER = "bench.baseline"


async def measure(servers: Servers, scale: Scale) -> list[Verdict]:
    """Messages a second out of one filled queue, each with its inbox mark committed before its ack."""
    async with place(servers) as here:
        rounds = await take_turns(
            {
                OURS: lambda: _ours(here, scale.consumed_events),
                ONE_EACH: lambda: _one_each(here, scale.one_by_one_events),
                PLAIN: lambda: _plain(here, scale.consumed_events),
            },
            scale.rounds,
        )
    return [_verdict(rounds, ONE_EACH, _OF_ONE_EACH), _verdict(rounds, PLAIN, _OF_PLAIN)]


def _verdict(rounds: Rounds, baseline: str, least: float) -> Verdict:
    return beside(rounds, OURS, baseline, least=least, measure="consumer with inbox", unit="messages/s")


async def _fill(here: Place, count: int) -> None:
    await here.empty(CONSUMER)
    await publish_batches(here.publisher, messages(count))


async def _marks(here: Place, consumer: str) -> int:
    return await here.count(f"select count(*) from inbox where consumer = '{consumer}'")  # noqa: S608 - ours


async def _ours(here: Place, count: int) -> Sample:
    await _fill(here, count)
    before, record = await _marks(here, CONSUMER), Record(None)
    deps, settings = BenchDeps(here.db, record), production_settings(here.database_url, here.amqp_url)
    async with Worker(settings, deps, SUBSCRIPTIONS, Schedules(), _die) as worker:
        [runner] = [runner for runner in worker.consumers if runner.consumer.name == CONSUMER]
        await until(lambda: record.count >= count and _nothing_in_hand(runner))
        seconds = time.perf_counter() - record.first
    applied = await _marks(here, CONSUMER) - before
    return Sample(count / seconds, lost=count - applied, duplicated=record.count - count)


def _die(error: BaseException) -> None:
    raise error


def _nothing_in_hand(runner: ConsumerRunner) -> bool:
    return runner.session is not None and not len(runner.session.window)


async def _one_each(here: Place, count: int) -> Sample:
    await _fill(here, count)
    before = await _marks(here, _ONE_EACH_CONSUMER)
    rate = await one_transaction_each(
        here.amqp_url,
        CONSUMER,
        count,
        PREFETCH,
        db=here.db,
        consumer=_ONE_EACH_CONSUMER,
        at_once=METER.lanes,
    )
    return Sample(rate, lost=count - (await _marks(here, _ONE_EACH_CONSUMER) - before))


async def _plain(here: Place, count: int) -> Sample:
    await _fill(here, count)
    rate = await consume_and_ack(here.amqp_url, CONSUMER, count, PREFETCH)
    return Sample(rate)
