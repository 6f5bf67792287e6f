"""Keys, faults, error shapes and what browsers need."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from algoliasearch.http.exceptions import AlgoliaUnreachableHostException, RequestException
from algoliasearch.search.client import SearchClientSync

Connect = Callable[..., SearchClientSync]


@pytest.fixture
def http(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
        client.post("/control", json={})


@pytest.mark.parametrize("wrong", [{"key": "guess"}, {"app_id": "OTHER"}, {"key": "e30="}])
def test_wrong_credentials_are_refused(connect_with: Connect, wrong: dict[str, str]) -> None:
    with pytest.raises(RequestException, match="Invalid Application-ID or API key") as refused:
        connect_with(**wrong).list_indices()
    assert refused.value.status_code == 403


def test_the_search_key_only_searches(products: Any, connect_with: Connect) -> None:
    products.save({"objectID": "1", "title": "dress"})
    public = connect_with(key="sandbox-search")
    assert public.search_single_index(products.name, {"query": "dress"}).nb_hits == 1
    for forbidden in (
        lambda: public.save_object(products.name, {"objectID": "2"}),
        lambda: public.set_settings(products.name, {}),
        lambda: public.browse(products.name),
    ):
        with pytest.raises(RequestException, match="not allowed"):
            forbidden()


def test_a_secured_key_forces_its_restrictions(products: Any, connect_with: Connect) -> None:
    products.settings(attributesForFaceting=["seller"])
    products.save({"objectID": "mine", "seller": "ada"}, {"objectID": "other", "seller": "bob"})
    restrictions = {"filters": "seller:ada", "restrictIndices": [products.name]}
    key = products.client.generate_secured_api_key("sandbox-search", restrictions)
    ada = connect_with(key=key)
    for filters in ("", "seller:bob OR seller:ada"):
        found = ada.search_single_index(products.name, {"filters": filters}).to_dict()
        assert [hit["objectID"] for hit in found["hits"]] == ["mine"]
    with pytest.raises(RequestException, match="Index not allowed"):
        ada.search_single_index("elsewhere", {})


def test_a_secured_key_ends_and_cannot_be_forged(products: Any, connect_with: Connect) -> None:
    products.save({"objectID": "1"})
    late = products.client.generate_secured_api_key("sandbox-search", {"validUntil": int(time.time()) - 1})
    forged = products.client.generate_secured_api_key("guess", {"filters": "a:b"})
    for key in (late, forged):
        with pytest.raises(RequestException) as refused:
            connect_with(key=key).search_single_index(products.name, {})
        assert refused.value.status_code == 403


def test_being_down_is_what_the_client_sees_as_unreachable(
    products: Any, connect_with: Connect, http: httpx.Client
) -> None:
    """E077: a search provider that is down, until it is back."""
    products.save({"objectID": "1"})
    http.post("/control", json={"down": True}).raise_for_status()
    with pytest.raises(AlgoliaUnreachableHostException):
        connect_with().search_single_index(products.name, {})
    http.post("/control", json={"down": False}).raise_for_status()
    assert connect_with().search_single_index(products.name, {}).nb_hits == 1


def test_a_chosen_status_and_delay_are_applied(http: httpx.Client) -> None:
    """E077: slow answers and 429."""
    http.post("/control", json={"status": 429, "slow_ms": 120}).raise_for_status()
    started = time.monotonic()
    answer = http.get("/1/indexes")
    assert time.monotonic() - started >= 0.12
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["status"] == 429
    assert http.post("/control", json={"dwn": True}).status_code == 400


def test_a_dropped_write_looks_accepted(products: Any, http: httpx.Client) -> None:
    """E077: a batch is lost after it was accepted."""
    products.save({"objectID": "1"})
    http.post("/control", json={"drop_writes": True}).raise_for_status()
    products.save({"objectID": "2"})
    http.post("/control", json={}).raise_for_status()
    assert products.ids() == ["1"]


def test_a_browser_may_send_everything_in_the_query(products: Any, http: httpx.Client) -> None:
    products.save({"objectID": "1", "title": "red dress", "price": 5})
    answer = http.post(
        f"/1/indexes/{products.name}/query",
        params={"x-algolia-application-id": "SANDBOX", "x-algolia-api-key": "sandbox-search"},
        content='{"params": "query=red%20dress&numericFilters=%5B%22price%3E4%22%5D&hitsPerPage=3"}',
        headers={"content-type": "text/plain", "origin": "http://127.0.0.1:3001"},
    )
    assert [hit["objectID"] for hit in answer.json()["hits"]] == ["1"]
    assert answer.headers["access-control-allow-origin"] == "*"
    preflight = http.options(
        f"/1/indexes/{products.name}/query",
        headers={
            "origin": "http://127.0.0.1:3001",
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-algolia-api-key",
        },
    )
    assert preflight.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/1/indexes/any/batch", b"{", 400),
        ("POST", "/1/indexes/any/batch", b'{"requests": [{"action": "explode"}]}', 400),
        ("POST", "/1/indexes/any/batch", b'{"requests": [{"action": "deleteObject", "body": {}}]}', 400),
        ("PUT", "/1/indexes/any/settings", b'{"customRanking": ["price"]}', 400),
        ("GET", "/1/indexes/any/task/99999999", b"", 404),
        ("GET", "/1/nothing", b"", 404),
    ],
)
def test_errors_have_a_message_and_a_status(
    http: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    credentials = {"x-algolia-application-id": "SANDBOX", "x-algolia-api-key": "sandbox-admin"}
    answer = http.request(method, path, content=body, headers=credentials)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.json()["message"]
