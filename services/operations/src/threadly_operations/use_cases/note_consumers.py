"""Remember which consumers a service runs, so that their dead letters are gathered."""

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.messaging import Context
from threadly_contracts.operations import ConsumersDeclared

from ..dependencies import OperationsDeps
from ..storage.tables import ConsumerRow


async def note_consumers(event: ConsumersDeclared, context: Context[OperationsDeps]) -> None:
    """Add the consumers; one that is no longer declared stays: its letters still want gathering."""
    for name in event.consumers:
        values = {"service": event.service, "release": event.release, "declared_at": event.declared_at}
        await context.tx.session.execute(
            insert(ConsumerRow)
            .values(name=name, **values)
            .on_conflict_do_update(index_elements=["name"], set_=values)
        )
