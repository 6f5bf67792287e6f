"""A transaction whose events are in the tables, and whose commit takes its time."""

from typing import Any

from ..db import Transaction


async def write_ahead(tx: Transaction) -> None:
    """Write a transaction's events ahead of its commit: their ids are drawn, and nobody sees them.

    Between the two lies a moment only, as long as the disk and the standby take; a test makes it long.
    """
    connection = await tx.session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for append in tx.appends:
        await driver.execute(append.statement, append.values)
    tx.appends.clear()
