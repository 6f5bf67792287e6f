"""The specimen with one strict reader; `python -m threadly_chassis.testing.specimen.strict` is its worker.

Beyond what other handlers obey, `needs <cure>` fails until the cure has been found: the poison that is fixed
and replayed, the provider that comes back.
"""

from sqlalchemy import text

from ...messaging import Consumer, Context, Gate, Subscriptions
from ...worker import run_worker
from .service import NoteWritten, SpecimenDeps, SpecimenSettings, log_effect, obey, obey_to_the_end, open_deps

ORDERED = "specimen.ordered"
#: A cure is an effect of this consumer, with the cure's name as its note.
CURES = "cures"
_IS_FOUND = text("select 1 from effect where consumer = :cures and note_id = :cure")


async def _step(event: NoteWritten, context: Context[SpecimenDeps]) -> None:
    # The write comes first, so that a failing step proves that it was rolled back.
    await log_effect(context.tx, ORDERED, event, context)
    await obey_to_the_end(event.says)
    obey(event.says, context.attempt)
    if event.says.startswith("needs "):
        cure = {"cures": CURES, "cure": event.says.removeprefix("needs ")}
        if (await context.tx.session.execute(_IS_FOUND, cure)).first() is None:
            raise RuntimeError(event.says)


STRICT = Subscriptions("specimen", Consumer(ORDERED, gate=Gate.STRICT, handlers={NoteWritten: _step}))


def main() -> None:
    """Run it, as the environment says."""
    run_worker(SpecimenSettings(), open_deps=open_deps, subscriptions=STRICT)


if __name__ == "__main__":
    main()
