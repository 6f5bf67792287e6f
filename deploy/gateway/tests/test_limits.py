"""Architecture §10: request ids, limits, headers, CORS, caches, webhooks; failures as problem documents."""

import re

import pytest

from threadly_embedded.testing import Answer, Gateway

BIG = b"x" * (5 * 1024 * 1024 + 1)


def test_a_request_gets_an_id_which_the_service_and_the_client_see(gateway: Gateway) -> None:
    answer = gateway.get("/v1/products/1")
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"]


def test_a_clients_own_id_is_kept_when_it_is_a_plain_word(gateway: Gateway) -> None:
    assert gateway.get("/v1/products/1", X_Request_Id="order-7.a").headers["x-request-id"] == "order-7.a"
    for bad in ("a b", "x" * 65, 'a"b'):
        assert gateway.get("/v1/products/1", X_Request_Id=bad).headers["x-request-id"] != bad


def test_the_service_does_not_double_the_id(gateway: Gateway) -> None:
    gateway.upstreams["catalog"].answers["/v1/products/1"] = Answer(200, {"X-Request-Id": "theirs"})
    assert len(gateway.get("/v1/products/1").headers.get_list("x-request-id")) == 1


def test_the_trace_goes_on(gateway: Gateway) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert gateway.get("/v1/products/1", traceparent=trace).json()["headers"]["traceparent"] == trace


def test_a_service_that_is_away_is_503_with_retry_after(gateway: Gateway) -> None:
    with gateway.upstreams["orders"].away():
        answer = gateway.get("/v1/orders")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "unavailable"


@pytest.mark.parametrize("path", ["/v1/products", "/v1/webhooks/stripe"])
def test_a_body_over_5_mb_is_413_and_reaches_nobody(gateway: Gateway, path: str) -> None:
    answer = gateway.client.post(path, content=BIG)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert gateway.upstreams["catalog"].seen == gateway.upstreams["orders"].seen == []


def test_a_body_of_exactly_5_mb_passes(gateway: Gateway) -> None:
    answer = gateway.client.post("/v1/products", content=BIG[:-1])
    assert len(answer.json()["body"]) == len(BIG) - 1


def test_one_credential_may_not_ask_without_end(gateway: Gateway) -> None:
    """Here 2 a second and 30 at once: a hundred in a row are too many even on a slow machine."""
    answers = [gateway.client.get("/v1/orders", headers=gateway.signed_in("greedy")) for _ in range(100)]
    assert [answer.status_code for answer in answers[:30]] == [200] * 30
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused[0].json()["code"] == "too_many_requests"
    assert refused[0].headers["retry-after"] == "1"
    assert gateway.client.get("/v1/orders", headers=gateway.signed_in("modest")).is_success


def test_security_headers_on_answers_and_on_problems(gateway: Gateway) -> None:
    for path in ("/v1/products/1", "/nowhere", "/health"):
        headers = gateway.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "nginx/" not in headers["server"]


def test_a_services_own_policy_is_kept(gateway: Gateway) -> None:
    page = Answer(200, {"Content-Security-Policy": "default-src 'self'"}, b"<p>")
    gateway.upstreams["operations"].answers["/"] = page
    policy = gateway.client.get(gateway.operators_url).headers.get_list("content-security-policy")
    assert policy == ["default-src 'self'"]


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:3001"])
def test_our_own_pages_may_call_from_a_browser(gateway: Gateway, origin: str) -> None:
    answer = gateway.get("/v1/products/1", Origin=origin)
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = gateway.client.options(
        "/v1/orders", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 204
    assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3002", "http://localhost:3000.evil.example", "null"]
)
def test_other_pages_may_not(gateway: Gateway, origin: str) -> None:
    for path in ("/v1/products/1", "/nowhere"):
        headers = gateway.get(path, Origin=origin).headers
        assert "access-control-allow-origin" not in headers
        assert "access-control-allow-credentials" not in headers


def test_an_error_can_be_read_by_our_own_pages(gateway: Gateway) -> None:
    answer = gateway.get("/v1/orders", Authorization="Bearer forged", Origin="http://localhost:3001")
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3001"


def test_a_webhook_arrives_byte_for_byte_without_an_exchange(gateway: Gateway) -> None:
    body = bytes(range(256)) * 3
    signature = {
        "Stripe-Signature": "t=1,v1=ab",
        "Authorization": "Bearer forged",
        "Content-Type": "application/json",
    }
    seen = gateway.client.post("/v1/webhooks/stripe", content=body, headers=signature).json()
    assert seen["body"].encode("latin-1") == body
    assert seen["headers"]["stripe-signature"] == "t=1,v1=ab"
    assert "authorization" not in seen["headers"]
    assert gateway.auth.seen == []


def test_a_webhooks_refusal_is_the_services_own(gateway: Gateway) -> None:
    gateway.auth.answers["/v1/webhooks/clerk"] = Answer(401, body=b"its own")
    assert gateway.client.post("/v1/webhooks/clerk").content == b"its own"


def test_public_answers_are_shared_for_as_long_as_they_say(gateway: Gateway) -> None:
    page = Answer(200, {"Cache-Control": "public, max-age=60", "ETag": '"9"'}, b"[]")
    catalog = gateway.upstreams["catalog"]
    catalog.answers["/v1/categories/shared"] = page
    assert [gateway.get("/v1/categories/shared").content for _ in range(3)] == [b"[]"] * 3
    assert len(catalog.seen) == 1
    assert gateway.get("/v1/categories/shared", If_None_Match='"9"').status_code == 304


def test_who_shows_a_credential_gets_the_services_own_word(gateway: Gateway) -> None:
    catalog = gateway.upstreams["catalog"]
    catalog.answers["/v1/categories/own"] = Answer(200, {"Cache-Control": "public, max-age=60"}, b"old")
    gateway.get("/v1/categories/own")
    catalog.answers["/v1/categories/own"] = Answer(200, {"Cache-Control": "public, max-age=60"}, b"new")
    headers = gateway.signed_in("writer")
    assert gateway.client.get("/v1/categories/own", headers=headers).content == b"new"
    assert gateway.get("/v1/categories/own").content == b"old"


def test_what_does_not_say_so_is_not_shared(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.get("/v1/products/private")
    assert len(gateway.upstreams["catalog"].seen) == 2


def test_large_answers_are_compressed(gateway: Gateway) -> None:
    answer = gateway.client.post("/v1/products", content=b"a" * 5000)
    assert answer.headers["content-encoding"] == "gzip"


def test_a_header_without_end_is_a_problem_document(gateway: Gateway) -> None:
    answer = gateway.get("/v1/products", X_Long="x" * 40_000)
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
