"""The service's own PostgreSQL: one engine, one transaction a request or message, one commit point."""

from .database import Database
from .metadata import TYPES, new_metadata
from .transaction import ReadSession, Transaction, WriteSession

__all__ = ["TYPES", "Database", "ReadSession", "Transaction", "WriteSession", "new_metadata"]
