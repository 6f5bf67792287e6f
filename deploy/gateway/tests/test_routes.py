"""R-SYS-04: clients reach everything through one gateway; which path leads where (docs/seams.md §5)."""

import pytest

from threadly_embedded.testing import Gateway


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/auth/me", "auth"),
        ("/v1/users/7", "auth"),
        ("/v1/categories", "catalog"),
        ("/v1/products", "catalog"),
        ("/v1/products/7/images", "catalog"),
        ("/v1/search", "search-indexer"),
        ("/v1/search/suggestions", "search-indexer"),
        ("/v1/conversations", "messaging"),
        ("/v1/realtime/auth", "messaging"),
        ("/v1/checkouts", "orders"),
        ("/v1/orders/7", "orders"),
        ("/v1/notifications", "notifier"),
        ("/v1/operations/dead-letters", "operations"),
        ("/v1/webhooks/clerk", "auth"),
        ("/v1/webhooks/stripe", "orders"),
    ],
)
def test_each_path_reaches_its_service_unchanged(gateway: Gateway, path: str, service: str) -> None:
    seen = gateway.get(f"{path}?a=1&b=%2F").json()
    assert (seen["upstream"], seen["path"]) == (service, f"{path}?a=1&b=%2F")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/productsandmore",
        "/internal/exchange",
        "/v1/products/..%2f..%2finternal/exchange",
        "/_exchange",
        "/metrics",
        "/v2",
    ],
)
def test_anything_else_is_a_problem_document(gateway: Gateway, path: str) -> None:
    answer = gateway.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert not any(upstream.seen for upstream in gateway.upstreams.values())


def test_the_operators_door_leads_to_operations_only(gateway: Gateway) -> None:
    answer = gateway.client.get(f"{gateway.operators_url}/v1/products", headers=gateway.signed_in("op"))
    assert answer.json()["upstream"] == "operations"
    assert answer.json()["headers"]["authorization"] == "Bearer identity-of-good-op"


def test_health_needs_no_service(gateway: Gateway) -> None:
    assert gateway.get("/health").json() == {"service": "gateway", "status": "alive"}


def test_methods_and_bodies_pass(gateway: Gateway) -> None:
    answer = gateway.client.patch(
        "/v1/products/7", json={"title": "Kleid, grün"}, headers={"If-Match": '"3"'}
    )
    seen = answer.json()
    assert seen["method"] == "PATCH"
    assert seen["body"].encode("latin-1").decode() == '{"title":"Kleid, grün"}'
    assert seen["headers"]["if-match"] == '"3"'


def test_the_mark_that_gzip_puts_on_an_etag_does_not_reach_the_service(gateway: Gateway) -> None:
    seen = gateway.client.patch("/v1/products/7", headers={"If-Match": 'W/"3"'}).json()
    assert seen["headers"]["if-match"] == '"3"'
    headers = {**gateway.signed_in("mara"), "If-None-Match": 'W/"4"'}
    answer = gateway.client.get("/v1/products/7", headers=headers)
    assert answer.is_success, answer.text
    assert answer.json()["headers"]["if-none-match"] == '"4"'
