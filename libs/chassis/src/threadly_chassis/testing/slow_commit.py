"""A transaction whose events are in the tables, and whose commit takes its time."""

from typing import Any

from ..db import Transaction, pipeline


async def write_ahead(tx: Transaction) -> None:
    """Write a transaction's events ahead of its commit: their ids are drawn, and nobody sees them.

    Between the two lies a moment only, as long as the disk and the standby take; a test makes it long.
    """
    pooled: Any = await (await tx.session.connection()).get_raw_connection()
    calls = [append.call for append in tx.appends]
    await pipeline.run(pooled.driver_connection, calls, commit=False)
    tx.appends.clear()
