"""What every Threadly service stands on: outbox, consumers, HTTP, cache, observability."""
