"""How tables are declared: constraint names that migrations can rely on, and the column types of values.

::

    class Base(DeclarativeBase):
        metadata = new_metadata()
        type_annotation_map = TYPES
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

#: Python type to column type: times keep their zone, integers have room for money, text has no length.
TYPES: dict[Any, Any] = {
    datetime: DateTime(timezone=True),
    UUID: Uuid(),
    int: BigInteger(),
    str: Text(),
    dict[str, Any]: JSONB(),
    list[str]: JSONB(),
}

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def new_metadata() -> MetaData:
    """Make the metadata of one service's tables."""
    return MetaData(naming_convention=_NAMES)
