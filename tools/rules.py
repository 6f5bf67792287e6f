"""The rules that no off-the-shelf linter knows, each a function from one file to what is wrong in it.

`tests/architecture/test_rules_can_fail.py` shows each of them a violation that it must find.
"""

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .repository import File

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

#: In pieces, so that the rule does not find itself.
_REGISTRY_HOSTS = re.compile("|".join((r"pypi\." + "org", "python" + "hosted", r"npm" + r"js\.(org|com)")))
#: Folders that exist on one machine: a home, a checkout's place, a mounted mirror.
_MACHINE_PATHS = re.compile(r"(?<![\w.~$}/-])/(?:home|root|Users|work|opt/pypi|opt/wheels)/[\w.-]+")


@dataclass(frozen=True, order=True)
class Finding:
    """One violation: which rule, where, and what it is."""

    rule: str
    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


Found = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class Rule:
    """A rule's name, the files it is about, and how it finds violations (line, message) in one."""

    name: str
    concerns: Callable[[str], bool]
    find: Callable[[File], Found]

    def check(self, files: Iterable[File]) -> list[Finding]:
        """Return every violation in the files that the rule is about."""
        return [
            Finding(self.name, file.path, line, message)
            for file in files
            if self.concerns(file.path)
            for line, message in self.find(file)
        ]


def _is_python(path: str) -> bool:
    return path.endswith(".py")


def _is_test(path: str) -> bool:
    return _is_python(path) and (path.startswith("tests/") or "/tests/" in path)


def _is_service_source(path: str) -> bool:
    return _is_python(path) and path.startswith("services/") and "/src/" in path


def _is_our_source(path: str) -> bool:
    return _is_service_source(path) or (path.startswith("libs/chassis/src/") and _is_python(path))


def _outside(folder: str) -> Callable[[str], bool]:
    return lambda path: _is_our_source(path) and folder not in path


def _calls(file: File) -> Iterator[tuple[ast.Call, str]]:
    """Every call with its dotted name as written; the name of `a.b().c()` is `c`."""
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, ast.Call):
            yield node, _dotted(node.func)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


def _long_files(file: File) -> Found:
    lines = file.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield 1, f"{lines} lines, {MAX_FILE_LINES} are allowed"


def _long_functions(file: File) -> Found:
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines, {MAX_FUNCTION_LINES} are allowed"


def _methods_called(*names: str) -> Callable[[File], Found]:
    def find(file: File) -> Found:
        for call, name in _calls(file):
            if isinstance(call.func, ast.Attribute) and call.func.attr in names:
                yield call.lineno, f"{name or call.func.attr}()"

    return find


def _http_exceptions(file: File) -> Found:
    for node in ast.walk(ast.parse(file.text)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if _dotted(raised).rpartition(".")[2] == "HTTPException":
                yield node.lineno, "raise a kind of threadly_chassis.errors instead"


_WALL_CLOCKS = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns))$")


def _wall_clock(file: File) -> Found:
    """Find the clock read past `deps.clock`, also when `from time import time` hides it."""
    bare = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(file.text))
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in {"time", "time_ns"}
    }
    for call, name in _calls(file):
        if _WALL_CLOCKS.search(name) or name in bare:
            yield call.lineno, f"{name}() reads the machine's clock; take it from the chassis' Clock"


_ROUTE = re.compile(r"\.(get|post|put|patch|delete)$")


def _thread_hops(file: File) -> Found:
    """Find what FastAPI would run in a thread, not being `async`: routes, and dependencies from this file."""
    tree = ast.parse(file.text)
    needed = {_dotted(call.args[0]) for call, name in _calls(file) if name == "Depends" and call.args}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        routed = any(isinstance(d, ast.Call) and _ROUTE.search(_dotted(d.func)) for d in node.decorator_list)
        if node.name in needed or routed:
            yield node.lineno, f"{node.name} costs each request two changes of thread; make it async"


def _prints(file: File) -> Found:
    for call, name in _calls(file):
        if name == "print":
            yield call.lineno, "print() is no log"


def _sleeps(file: File) -> Found:
    """Find sleeps; `sleep(0)` only lets other tasks run and waits for nothing."""
    bare = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(file.text))
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}
        for alias in node.names
        if alias.name == "sleep"
    }
    for call, name in _calls(file):
        if name not in {"asyncio.sleep", "time.sleep", *bare}:
            continue
        if not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0):
            yield call.lineno, "wait for a described condition with threadly_chassis.testing.eventually"


def _matches(pattern: re.Pattern[str], message: str) -> Callable[[File], Found]:
    def find(file: File) -> Found:
        for number, line in enumerate(file.text.splitlines(), start=1):
            if found := pattern.search(line):
                yield number, f"{found.group()}: {message}"

    return find


def _uv_lock(file: File) -> Found:
    yield 1, f"{file.path} names the index it was made with; requirements.lock is the lock"


def _resolved(file: File) -> Found:
    """Find `resolved` in an npm lock: npm writes the registry of whoever ran it there."""

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (str(value["resolved"]) for key in value if key == "resolved")
            for part in value.values():
                yield from walk(part)
        elif isinstance(value, list):
            for part in value:
                yield from walk(part)

    for address in walk(json.loads(file.text)):
        yield 1, f'"resolved" names {address}'


def _index_hosts(file: File) -> Found:
    for number, line in enumerate(file.text.splitlines(), start=1):
        if re.match(r"\s*(--(extra-)?index-url|--find-links|-i\b|-f\b)", line) or "://" in line:
            yield number, line.strip()


RULES: tuple[Rule, ...] = (
    Rule("file-length", lambda p: _is_python(p) and not _is_test(p), _long_files),
    Rule("function-length", lambda p: _is_python(p) and "/migrations/" not in p, _long_functions),
    # One transaction a request or message, ended where it was begun (ADR 3).
    Rule("commit-at-the-edge", _outside("threadly_chassis/db/commit.py"), _methods_called("commit")),
    # Outcomes are decided in messaging/outcome.py from the exception alone (ADR 6).
    Rule(
        "ack-in-messaging", _outside("threadly_chassis/messaging/"), _methods_called("ack", "nack", "reject")
    ),
    Rule("errors-by-kind", _is_service_source, _http_exceptions),
    Rule("one-clock", _is_service_source, _wall_clock),
    # Sending a message went through four threads, for functions that look one thing up.
    Rule("no-thread-hops", _is_our_source, _thread_hops),
    Rule("no-print", _is_service_source, _prints),
    Rule("no-sleep-in-tests", _is_test, _sleeps),
    Rule("no-registry-host", lambda _: True, _matches(_REGISTRY_HOSTS, "a registry's host")),
    Rule("no-machine-path", lambda _: True, _matches(_MACHINE_PATHS, "a path of one machine")),
    Rule("no-uv-lock", lambda p: p.rpartition("/")[2] == "uv.lock", _uv_lock),
    Rule("npm-lock-without-registry", lambda p: p.endswith("package-lock.json"), _resolved),
    Rule("lock-without-index", lambda p: p == "requirements.lock", _index_hosts),
)
