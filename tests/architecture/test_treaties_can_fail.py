"""Each treaty of `.importlinter` is broken in a copy of the tree, and must be named as broken (R-SYS-02)."""

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.repository import ROOT, paths

AUTH = "services/auth/src/threadly_auth"
NOTIFIER = "services/notifier/src/threadly_notifier"
ORDERS = "services/orders/src/threadly_orders"
SEARCH = "services/search-indexer/src/threadly_search_indexer"
CHASSIS = "libs/chassis/src/threadly_chassis"

#: (contract, file of the copy, line planted at its end); a file that is not there is made.
PLANTED = [
    ("services-know-only-events", f"{ORDERS}/use_cases/__init__.py", "import threadly_catalog.domain.stock"),
    (
        "services-know-only-events",
        f"{SEARCH}/storage/__init__.py",
        "from threadly_catalog.storage import tables",
    ),
    ("floors", "libs/contracts/src/threadly_contracts/values.py", "import threadly_chassis.ids"),
    ("floors", f"{CHASSIS}/ids.py", "import threadly_orders.domain.errors"),
    ("floors", f"{ORDERS}/domain/__init__.py", "import threadly_sandbox.stripe.cards"),
    ("floors", f"{CHASSIS}/worker.py", "import threadly_embedded.ports"),
    ("sandbox-is-a-stranger", "deploy/sandbox/src/threadly_sandbox/faults.py", "import threadly_contracts"),
    ("rooms", f"{ORDERS}/domain/__init__.py", "from ..storage import tables"),
    ("rooms", f"{ORDERS}/use_cases/__init__.py", "from ..api import orders"),
    ("rooms", f"{ORDERS}/storage/people.py", "from ..gateways import payments"),
    ("rooms", f"{ORDERS}/gateways/payments.py", "from ..storage import orders"),
    ("rooms", f"{ORDERS}/api/__init__.py", "from .. import subscriptions"),
    ("rooms", f"{ORDERS}/dependencies.py", "from .use_cases import expire_checkouts"),
    ("rooms", f"{AUTH}/main.py", "from . import worker"),
    ("rooms", f"{NOTIFIER}/helpers.py", '"""A room that nobody agreed on."""'),
    ("settings-come-from-above", f"{AUTH}/use_cases/__init__.py", "from ..settings import AuthSettings"),
    ("chassis-knows-no-fact", f"{CHASSIS}/errors.py", "from threadly_contracts.orders import OrderConfirmed"),
    ("testing-stays-in-tests", f"{ORDERS}/worker.py", "from threadly_chassis.testing import eventually"),
    ("domain-is-pure", f"{ORDERS}/domain/__init__.py", "from sqlalchemy import select"),
    ("domain-is-pure", f"{AUTH}/domain/__init__.py", "from threadly_chassis.clock import Clock"),
    ("http-stays-at-the-door", f"{ORDERS}/use_cases/__init__.py", "from fastapi import Request"),
    ("http-stays-at-the-door", f"{ORDERS}/storage/__init__.py", "from starlette.responses import Response"),
    ("stripe-has-one-room", f"{ORDERS}/use_cases/__init__.py", "import stripe"),
    ("algolia-has-one-room", f"{SEARCH}/use_cases/__init__.py", "import algoliasearch"),
    ("pusher-has-two-rooms", f"{NOTIFIER}/use_cases/__init__.py", "import pusher"),
    ("broker-has-one-room", f"{ORDERS}/use_cases/__init__.py", "import aio_pika"),
    ("broker-has-one-room", f"{CHASSIS}/cache/__init__.py", "from pamqp import commands"),
    ("cache-has-one-room", f"{ORDERS}/storage/__init__.py", "import redis"),
    ("sql-stays-below", f"{ORDERS}/api/__init__.py", "from sqlalchemy import select"),
]


def treaties() -> dict[str, str]:
    """Contract id to the name under which import-linter reports it."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {section.removeprefix(prefix): config[section]["name"] for section in config if prefix in section}


def sources() -> list[str]:
    return [path for path in paths() if "/src/" in path and path.endswith((".py", ".typed"))]


class Copy:
    """A copy of all sources that import-linter reads instead of the installed ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in sources():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
        shutil.copyfile(ROOT / ".importlinter", folder / ".importlinter")

    def lint(self) -> subprocess.CompletedProcess[str]:
        packages = sorted({str(self.folder / path.split("/src/")[0] / "src") for path in sources()})
        # Wide, so that a long name stays on one line.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages), "COLUMNS": "400"}
        return subprocess.run(  # noqa: S603 - our own linter on our own copy
            [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def planted(copy: Copy, request: pytest.FixtureRequest) -> Iterator[None]:
    path, line = request.param
    file = copy.folder / path
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n")
    yield
    if before is None:
        file.unlink()
    else:
        file.write_text(before)


def test_the_copy_keeps_every_treaty(copy: Copy) -> None:
    """R-SYS-02: as the tree stands no treaty is broken, so that what follows is broken by the planting."""
    run = copy.lint()
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(treaties())} kept, 0 broken" in run.stdout


@pytest.mark.parametrize(
    ("contract", "planted"),
    [pytest.param(contract, (path, line), id=f"{contract}: {line}") for contract, path, line in PLANTED],
    indirect=["planted"],
)
@pytest.mark.usefixtures("planted")
def test_a_planted_violation_is_named(copy: Copy, contract: str) -> None:
    """R-SYS-02: a forbidden import turns the gate red, naming the treaty that it breaks."""
    run = copy.lint()
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{treaties()[contract]} BROKEN" in run.stdout


def test_every_treaty_has_been_seen_to_fail() -> None:
    assert {contract for contract, *_ in PLANTED} == set(treaties())


def test_every_package_is_under_treaty() -> None:
    """A package that the linter does not know could import whatever it likes."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / ".importlinter")
    known = set(config["importlinter"]["root_packages"].split())
    assert known == {path.split("/src/")[1].split("/")[0] for path in sources()}
