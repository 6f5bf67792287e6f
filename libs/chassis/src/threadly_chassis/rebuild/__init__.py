"""Refilling one reader from its owners' history while live traffic goes on (`threadly rebuild <consumer>`).

Choreography; nobody reads another's database:

1. operations says RebuildRequested. 2. The reader's worker says RebuildBegun, with the event types it wants,
or RebuildRefused (`control`). 3. Each owner of such types streams its own outbox history, in the order of
ids and at a limited rate, straight into the reader's queue (`source`), after restating aggregates whose
history is gone (`snapshots`), and says RebuildStreamed with a checksum. 4. The reader notes what it was
sent in the transactions that apply it (`applied`), compares (`verdict`) and says RebuildApplied.
"""
