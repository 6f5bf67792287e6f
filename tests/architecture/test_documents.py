"""What the documents name exists: files, tests, treaties, commands, and SQL that the database accepts."""

import ast
import configparser
import re
from importlib.util import find_spec
from pathlib import PurePosixPath

import psycopg
import pytest
import typer.main
from tools.repository import ROOT, SERVICES, File, package_of, paths, read
from tools.rules import RULES

from threadly_chassis.testing.fixtures import DatabaseFactory
from threadly_operations.cli import app

DOCUMENTS = read(path for path in paths() if path.endswith(".md") and not path.startswith("deploy/demo/"))
ADRS = [file for file in DOCUMENTS if re.match(r"docs/adr/\d{4}-", file.path)]
RUNBOOKS = [file for file in DOCUMENTS if file.path.startswith("docs/runbooks/")]
OURS = [file for file in DOCUMENTS if not file.path.startswith("deploy/sandbox/")]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"`((?:libs|services|deploy|tests|tools|docs)/[\w./-]+)`")
_FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


def named(file: File) -> str:
    return file.path


def broken_links(file: File, existing: set[str]) -> list[str]:
    folder = PurePosixPath(file.path).parent
    broken = []
    for target in _LINK.findall(re.sub(_FENCE, "", file.text)):
        if "://" not in target and not target.startswith("mailto:"):
            whole = (ROOT / folder / target).resolve()
            inside = whole.is_relative_to(ROOT) and str(whole.relative_to(ROOT)) in existing
            if not inside:
                broken.append(target)
    return broken


def names_of_tests() -> set[str]:
    tests = read(path for path in paths() if "/test_" in path and path.endswith(".py"))
    return {
        node.name
        for file in tests
        for node in ast.walk(ast.parse(file.text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def treaties_and_rules() -> set[str]:
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / ".importlinter")
    return {section.rpartition(":")[2] for section in config} | {rule.name for rule in RULES}


def commands(file: File) -> list[str]:
    """Every command line of a document: the lines of its shell blocks, and what stands in backticks."""
    lines = [
        line.strip() for kind, code in _FENCE.findall(file.text) if kind == "sh" for line in code.splitlines()
    ]
    return lines + _INLINE.findall(re.sub(_FENCE, "", file.text))


def unknown_commands(file: File) -> list[str]:
    return [command for command in commands(file) if not is_known(command)]


def is_known(command: str) -> bool:
    """Whether a command of ours exists; what is not ours is not judged."""
    words = command.partition("#")[0].split()
    match words:
        case ["make", target, *_]:
            return f"\n{target}:" in makefile() or f"\n{target} " in re.sub(r":.*", " ", makefile())
        case ["python", "-m", module, *_]:
            return find_spec(module) is not None
        case ["threadly", *rest]:
            return knows_threadly(rest)
        case _:
            return True


def makefile() -> str:
    return "\n" + (ROOT / "Makefile").read_text()


def knows_threadly(words: list[str]) -> bool:
    command = typer.main.get_command(app)
    while words and not words[0].startswith(("-", "<", "…")) and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return False
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    return all(word in options for word in words if word.startswith("--"))


@pytest.mark.parametrize("file", OURS, ids=named)
def test_links_lead_somewhere(file: File) -> None:
    folders = {str(parent) for path in paths() for parent in PurePosixPath(path).parents}
    assert broken_links(file, {*paths(), *folders}) == []


@pytest.mark.parametrize("file", OURS, ids=named)
def test_files_that_are_named_exist(file: File) -> None:
    near = ROOT / PurePosixPath(file.path).parent
    named_here = _PATH.findall(file.text)
    assert [path for path in named_here if not ((ROOT / path).exists() or (near / path).exists())] == []


@pytest.mark.parametrize("file", OURS, ids=named)
def test_commands_that_are_named_exist(file: File) -> None:
    assert unknown_commands(file) == []


@pytest.mark.parametrize("file", ADRS, ids=named)
def test_a_decision_has_its_four_parts_and_stands_in_the_index(file: File) -> None:
    number = int(file.path.rpartition("/")[2][:4])
    assert file.text.startswith(f"# {number}. ")
    for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Enforced by**"):
        assert part in file.text, part
    index = (ROOT / "docs/adr/README.md").read_text()
    assert f"| [{number}]({file.path.rpartition('/')[2]}) |" in index


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(file.path.rpartition("/")[2][:4]) for file in ADRS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("file", ADRS, ids=named)
def test_what_enforces_a_decision_exists(file: File) -> None:
    proof = file.text.partition("**Enforced by**")[2]
    in_backticks = _INLINE.findall(re.sub(r"\s*\n\s*", " ", proof))
    tests, machines = names_of_tests(), treaties_and_rules()
    assert [word for word in in_backticks if word.startswith("test_") and word not in tests] == []
    ids = [word for word in in_backticks if re.fullmatch(r"[a-z]+(-[a-z]+)+|rooms|floors", word)]
    assert [word for word in ids if word not in machines] == []


SQL = [
    pytest.param(" ".join(code.split()), id=f"{file.path.rpartition('/')[2]}: {' '.join(code.split())[:50]}")
    for file in RUNBOOKS
    for kind, code in _FENCE.findall(file.text)
    if kind == "sql"
]


@pytest.mark.integration
@pytest.mark.parametrize("statement", SQL)
def test_the_database_understands_a_runbooks_sql(
    statement: str, module_service_database: DatabaseFactory
) -> None:
    with psycopg.connect(module_service_database("threadly_orders")) as connection:
        assert connection.execute(f"explain {statement}").fetchall()


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_has_its_owner_in_the_architecture(service: str) -> None:
    """R-SYS-02: the ownership table names each table of each service."""
    rows = (ROOT / "docs/architecture.md").read_text().splitlines()
    [row] = [row for row in rows if row.startswith(f"| {service} |")]
    source = (ROOT / f"services/{service}/src/{package_of(service)}/storage/tables.py").read_text()
    tables = re.findall(r'__tablename__ = "(\w+)"', source)
    assert tables
    assert [table for table in tables if f"`{table}`" not in row] == []


@pytest.mark.parametrize(
    "command",
    [
        "make nonsense",
        "python -m threadly_chassis.nothing",
        "threadly dlq forget",
        "threadly dlq list --nothing",
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    document = File("docs/x.md", f"Say `{command}`.\n\n```sh\n{command}   # and why\n```\n")
    assert unknown_commands(document) == [f"{command}   # and why", command]


@pytest.mark.parametrize(
    "command", ["make check", "python -m threadly_embedded env", "threadly dlq replay <id> --dry-run", "ls"]
)
def test_a_command_that_exists_is_not_found(command: str) -> None:
    assert unknown_commands(File("docs/x.md", f"`{command}`")) == []


def test_a_broken_link_is_found() -> None:
    document = File(
        "docs/x.md", "[a](architecture.md) [b](gone.md#x) [c](https://example.org) [d](../Makefile)"
    )
    assert broken_links(document, set(paths())) == ["gone.md"]
