"""Stand-ins for the ports that reach outside: they note what a handler would call, and call nothing."""

import asyncio
import inspect
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ..clock import Clock
from ..db import Database
from ..errors import ThreadlyError
from ..reach import Reach, answer_in_rehearsal
from ..settings import ServiceSettings
from .rehearsal import WouldCall
from .shapes import in_short


class Unclassified(ThreadlyError):
    """Nobody has said of these dependencies whether they reach outside."""

    code = "unclassified"
    title = "Some dependencies may reach outside"


class CurtainFell(BaseException):
    """The handler needs what only the outside can answer: here its rehearsal ends.

    No `except Exception` of the handler keeps it from ending.
    """


@dataclass(slots=True)
class Calls:
    """What a handler would have called, in the order of its calls."""

    made: list[WouldCall] = field(default_factory=list)
    curtain_fell: bool = False
    """The last of them is one whose answer is not known."""

    def note(self, port: str, method: str, given: str) -> None:
        """Note a call, unless the handler went on behind the curtain."""
        if not self.curtain_fell:
            self.made.append(WouldCall(port=port, method=method, arguments=given))

    def curtain(self) -> CurtainFell:
        """What is raised where an answer would be needed."""
        self.curtain_fell = True
        return CurtainFell()


class Stub:
    """In the place of one port. What the port's declared type does not have, it has not either."""

    def __init__(self, name: str, port: type, calls: Calls) -> None:
        self._name = name
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = inspect.getattr_static(self._port, name, None)
        if method is None and not any(name in inspect.get_annotations(kind) for kind in self._port.__mro__):
            raise AttributeError(f"{self._port.__qualname__} has no {name}")
        if not inspect.isfunction(method):
            self._calls.note(self._name, name, "")
            raise self._calls.curtain()
        answer = answer_in_rehearsal(method)

        def call(*given: Any, **named: Any) -> Any:
            self._calls.note(self._name, name, in_short(given, named))
            if answer is None:
                raise self._calls.curtain()
            return answer[0]

        async def call_and_wait(*given: Any, **named: Any) -> Any:
            await asyncio.sleep(0)
            return call(*given, **named)

        return call_and_wait if inspect.iscoroutinefunction(method) else call


def stubs_for(deps: Any, calls: Calls) -> dict[str, Stub]:
    """A stub for each of the dependencies that reach outside; raises `Unclassified`."""
    return {name: Stub(name, port, calls) for name, port in outside_ports(type(deps)).items()}


def outside_ports(deps: type) -> dict[str, type]:
    """The fields of a service's dependencies that reach outside, and what they are declared to be.

    Raises `Unclassified` when that is not known of every field.
    """
    if not is_dataclass(deps):
        raise Unclassified(f"{deps.__qualname__} is no dataclass")
    hints = get_type_hints(deps, include_extras=True)
    reaches = {each.name: _reach_of(hints[each.name]) for each in fields(deps)}
    if unknown := [name for name, reach in reaches.items() if reach is None]:
        raise Unclassified(f"{deps.__qualname__}: {', '.join(unknown)}")
    return {name: get_args(hints[name])[0] for name, reach in reaches.items() if reach is Reach.OUTSIDE}


def _reach_of(hint: Any) -> Reach | None:
    if get_origin(hint) is Annotated:
        marks = [mark for mark in get_args(hint)[1:] if isinstance(mark, Reach)]
        return marks[0] if len(marks) == 1 else None
    harmless = isinstance(hint, type) and issubclass(hint, (ServiceSettings, Database))
    return Reach.INSIDE if harmless or hint is Clock else None
