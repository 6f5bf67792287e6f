"""Every rule is shown a violation that it must find, and a neighbour that it must leave alone."""

import pytest
from tools.checks import judge, without_exceptions
from tools.floor_plan import missing_rooms, normal_name, requirements_of, unpinned
from tools.repository import SERVICES, File, paths, read
from tools.rules import RULES, Finding, Rule

CODE = "services/orders/src/threadly_orders/use_cases/planted.py"
TEST = "services/orders/tests/test_planted.py"
RULE = {rule.name: rule for rule in RULES}

#: (rule, path, violation, the same place without it)
PLANTED = [
    ("file-length", CODE, "x = 1\n" * 401, "x = 1\n" * 400),
    (
        "function-length",
        CODE,
        "async def long():\n" + "    x = 1\n" * 50,
        "async def long():\n" + "    x = 1\n" * 49,
    ),
    ("commit-at-the-edge", CODE, "await tx.session.commit()", "await tx.session.flush()"),
    ("commit-at-the-edge", CODE, "await deps().session.commit()", "commit = 'commit()'"),
    ("commit-at-the-edge", "libs/chassis/src/threadly_chassis/db/database.py", "s.commit()", "s.rollback()"),
    ("ack-in-messaging", CODE, "await message.ack()", "await message.acknowledge_later()"),
    ("ack-in-messaging", CODE, "await message.reject(requeue=False)", "await offer.decline()"),
    ("ack-in-messaging", CODE, "await message.nack()", "nack = 1"),
    ("errors-by-kind", CODE, "raise HTTPException(404)", "raise NotFound('gone')"),
    ("errors-by-kind", CODE, "raise fastapi.HTTPException", "raise"),
    ("one-clock", CODE, "now = datetime.now(UTC)", "now = deps.clock.now()"),
    ("one-clock", CODE, "now = datetime.datetime.utcnow()", "now = datetime.fromisoformat(text)"),
    ("one-clock", CODE, "today = date.today()", "today = clock.now().date()"),
    ("one-clock", CODE, "import time\nnow = time.time()", "import time\nstart = time.monotonic()"),
    ("one-clock", CODE, "from time import time as t\nnow = t()", "from time import perf_counter as t\nt()"),
    (
        "no-thread-hops",
        CODE,
        "def deps(): ...\nDeps = Annotated[D, Depends(deps)]",
        "async def deps(): ...\nDeps = Annotated[D, Depends(deps)]",
    ),
    ("no-thread-hops", CODE, "class V: ...\nx = Depends(V)", "class V: ...\nx = depends(V)"),
    (
        "no-thread-hops",
        CODE,
        "@items.get('')\ndef show(): ...",
        "@items.get('')\nasync def show(): ...",
    ),
    ("no-print", CODE, "print('paid')", "console.print('paid')"),
    ("no-sleep-in-tests", TEST, "await asyncio.sleep(0.5)", "await asyncio.sleep(0)"),
    ("no-sleep-in-tests", TEST, "time.sleep(1)", "await eventually(probe)"),
    ("no-sleep-in-tests", TEST, "from asyncio import sleep as nap\nawait nap(1)", "nap(1)"),
    ("no-registry-host", "docs/a.md", "from https://" + "pypi" + ".org/simple", "from the package index"),
    ("no-registry-host", "a.json", '"https://registry.' + "npm" + 'js.org/x"', '"https://example.org/x"'),
    ("no-machine-path", "docs/a.md", "cd /" + "work/main", "cd the checkout"),
    ("no-machine-path", "Makefile", "x := /" + "home/anna/threadly", "x := $(HOME)/threadly"),
    ("no-machine-path", "a.py", 'p = "/' + 'root/.cache"', 'p = "/v1/home/root"'),
]


@pytest.mark.parametrize(("name", "path", "wrong", "right"), PLANTED)
def test_a_planted_violation_is_found_and_its_neighbour_is_not(
    name: str, path: str, wrong: str, right: str
) -> None:
    found = RULE[name].check([File("README.md", ""), File(path, wrong)])
    assert [(finding.rule, finding.path) for finding in found] == [(name, path)]
    assert RULE[name].check([File(path, right)]) == []


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("no-uv-lock", "services/orders/uv.lock", "version = 1"),
        (
            "npm-lock-without-registry",
            "web/package-lock.json",
            '{"packages": {"node_modules/a": {"resolved": "https://somewhere/a.tgz"}}}',
        ),
        ("lock-without-index", "requirements.lock", "--index-url https://somewhere/simple\n"),
        ("lock-without-index", "requirements.lock", "a @ https://somewhere/a.whl\n"),
        ("lock-without-index", "requirements.lock", "--find-links ./wheels\n"),
    ],
)
def test_a_lock_that_names_a_registry_is_found(name: str, path: str, text: str) -> None:
    assert [finding.path for finding in RULE[name].check([File(path, text)])] == [path]


def test_every_rule_has_been_seen_to_fail() -> None:
    shown = {name for name, *_ in PLANTED}
    shown |= {"no-uv-lock", "npm-lock-without-registry", "lock-without-index"}
    assert shown == set(RULE)


@pytest.mark.parametrize(
    ("rule", "outside"),
    [
        ("commit-at-the-edge", "libs/chassis/src/threadly_chassis/db/commit.py"),
        ("ack-in-messaging", "libs/chassis/src/threadly_chassis/messaging/acks.py"),
        ("no-sleep-in-tests", CODE),
        ("one-clock", TEST),
        ("file-length", TEST),
    ],
)
def test_a_rule_leaves_other_rooms_alone(rule: str, outside: str) -> None:
    assert not RULE[rule].concerns(outside)


@pytest.mark.parametrize(
    "lost",
    [
        "README.md",
        "pyproject.toml",
        "src/threadly_search_indexer/main.py",
        "src/threadly_search_indexer/worker.py",
        "src/threadly_search_indexer/settings.py",
        "src/threadly_search_indexer/dependencies.py",
        "src/threadly_search_indexer/subscriptions.py",
        "src/threadly_search_indexer/py.typed",
        "src/threadly_search_indexer/storage/tables.py",
    ],
)
def test_a_service_that_lacks_a_room_is_found(lost: str) -> None:
    """R-SYS-01: a service without one of its rooms is named."""
    plan = [path for path in paths() if path.startswith("services/search-indexer/")]
    whole = [
        path.replace("services/search-indexer", f"services/{service}").replace(
            "threadly_search_indexer", f"threadly_{service.replace('-', '_')}"
        )
        for service in SERVICES
        for path in plan
    ]
    assert list(missing_rooms(whole)) == []
    [finding] = missing_rooms([path for path in whole if path != f"services/search-indexer/{lost}"])
    assert finding.path == "services/search-indexer"
    assert lost in finding.message


def test_a_service_without_migrations_or_tests_is_found() -> None:
    kept = [p for p in paths() if "/migrations/" not in p and not p.startswith("services/auth/tests/")]
    missing = {(finding.path, finding.message) for finding in missing_rooms(kept)}
    assert {path for path, message in missing if "migrations" in message} == {
        f"services/{service}" for service in SERVICES
    }
    assert [message for path, message in missing if path == "services/auth" and "tests" in message]


def test_a_requirement_that_is_not_pinned_is_found() -> None:
    pyproject = File(
        "services/orders/pyproject.toml", '[project]\ndependencies = ["Some_Thing[x]>=1", "b>2"]\n'
    )
    [finding] = unpinned([pyproject], "b==2.1 \\\n    --hash=sha256:00\n")
    assert "some-thing" in finding.message
    assert list(unpinned([pyproject], "b==2.1\nsome-thing==1.0\n")) == []


def test_extras_and_groups_are_requirements_too() -> None:
    project = {
        "project": {"dependencies": ["a"], "optional-dependencies": {"testing": ["b[x]>=1"]}},
        "dependency-groups": {"dev": ["C.d ~= 1", {"include-group": "other"}]},
    }
    assert [normal_name(one) for one in requirements_of(project)] == ["a", "b", "c-d"]


def test_an_exception_excuses_its_file_only_and_must_be_needed() -> None:
    here, there = Finding("no-print", "a.py", 1, "x"), Finding("no-print", "b.py", 1, "x")
    assert without_exceptions([here, there], {"no-print": {"a.py": "a reason"}}) == [there]
    assert without_exceptions([here], {"no-print": {"a.py": ""}}) != []
    [useless] = without_exceptions([], {"no-print": {"a.py": "a reason"}})
    assert (useless.rule, useless.path) == ("exceptions", "a.py")


def test_the_whole_judgement_applies_every_rule() -> None:
    files = [*read(["requirements.lock"]), File(CODE, "print(datetime.now())\n")]
    assert {"no-print", "one-clock"} <= {finding.rule for finding in judge(files, paths(), {})}


def test_a_rule_reads_only_what_concerns_it() -> None:
    rule = Rule("never", lambda path: path == "a", lambda _: iter([(1, "x")]))
    assert [finding.path for finding in rule.check([File("a", ""), File("b", "")])] == ["a"]
