"""The search provider: Algolia's REST interface over SQLite records and a tantivy index."""
