"""Showing a call's arguments to operators without what they say: they may be about people."""

import re
from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

_LONGEST = 300
_MOST_PARTS = 8
#: What is shown of texts, because it names a thing and nobody: our ids with what stands around them, and
#: providers' (`pi_3PqXy…`). Of any other text only its length is.
_ID = re.compile(
    r"[\w.:<-]{0,60}[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}[\w.:>@-]{0,60}"
    # One of Stripe's 24 random characters in 70 has no digit among them.
    r"|[a-z]{2,5}_((?=\w*\d)\w{6,60}|(?=\w*[a-z][A-Z])\w{20,60})"
)


def in_short(given: Collection[Any], named: Mapping[str, Any]) -> str:
    """Show arguments: ids, numbers, moments and shapes; of any other text its length."""
    parts = [_show(value) for value in given] + [f"{name}={_show(value)}" for name, value in named.items()]
    shown = ", ".join(parts)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _show(value: Any) -> str:
    match value:
        case None | bool() | int() | float() | UUID() | datetime():
            shown = str(value)
        case Enum():
            shown = str(value.value)
        case str():
            shown = value if _ID.fullmatch(value) else f"str({len(value)})"
        case bytes():
            shown = f"bytes({len(value)})"
        case Mapping():
            shown = f"{{{_joined([f'{key}: {_show(part)}' for key, part in value.items()])}}}"
        case list() | tuple() | set() | frozenset():
            shown = f"[{_joined([_show(part) for part in value])}]"
        case _:
            shown = f"{type(value).__name__}({_joined(_parts_of(value))})"
    return shown


def _parts_of(value: Any) -> list[str]:
    if is_dataclass(value):
        return [f"{each.name}={_show(getattr(value, each.name))}" for each in fields(value)]
    if isinstance(value, BaseModel):
        return [f"{name}={_show(part)}" for name, part in value]
    return []


def _joined(parts: list[str]) -> str:
    more = len(parts) - _MOST_PARTS
    return ", ".join([*parts[:_MOST_PARTS], *([f"{more} more"] if more > 0 else [])])
