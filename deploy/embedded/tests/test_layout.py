from pathlib import Path

import pytest

from threadly_embedded.errors import LauncherError
from threadly_embedded.layout import Layout


def test_the_ports_are_those_of_the_seams() -> None:
    ports = Layout.from_environment({}).ports
    assert (ports["gateway"], ports["operators"], ports["postgres"], ports["amqp"]) == (
        3002,
        3010,
        7432,
        7672,
    )
    assert (ports["auth_http"], ports["operations_http"], ports["orders_worker"]) == (7101, 7107, 7205)
    assert (ports["sandbox_page"], ports["sandbox_smtp"]) == (7300, 7306)


def test_an_offset_moves_every_port_and_a_setting_one(tmp_path: Path) -> None:
    layout = Layout.from_environment(
        {
            "THREADLY_PORT_OFFSET": "20000",
            "THREADLY_SEARCH_INDEXER_HTTP_PORT": "5555",
            "THREADLY_RUN_FOLDER": str(tmp_path),
        }
    )
    usual = Layout.from_environment({}).ports
    assert layout.ports == {n: p + 20000 for n, p in usual.items()} | {"search-indexer_http": 5555}
    assert layout.folder == tmp_path


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"THREADLY_REDIS_PORT": "7432"}, "THREADLY_REDIS_PORT and THREADLY_POSTGRES_PORT are both 7432"),
        ({"THREADLY_GATEWAY_PORT": "http"}, "THREADLY_GATEWAY_PORT is 'http', which is no number"),
        ({"THREADLY_PORT_OFFSET": "60000"}, "which is no TCP port"),
    ],
)
def test_a_wrong_port_is_named(settings: dict[str, str], words: str) -> None:
    with pytest.raises(LauncherError, match=words):
        Layout.from_environment(settings)
