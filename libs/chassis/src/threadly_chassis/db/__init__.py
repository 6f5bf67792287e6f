"""The service's own PostgreSQL: one engine, one transaction a request or message, one commit point."""

from .contention import is_contention
from .database import Database
from .metadata import TYPES, new_metadata
from .transaction import ReadSession, Transaction, WriteSession

__all__ = ["TYPES", "Database", "ReadSession", "Transaction", "WriteSession", "is_contention", "new_metadata"]
