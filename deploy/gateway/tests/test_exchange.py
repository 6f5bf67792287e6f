"""R-AUTH: what the gateway makes of a credential, and what services see of it."""

from http import HTTPStatus

from threadly_embedded.testing import Answer, Gateway, wait_until


def test_a_credential_becomes_an_identity_token_and_goes_no_further(gateway: Gateway) -> None:
    seen = gateway.get(
        "/v1/orders", Authorization="Bearer good-mara", Cookie="__session=good-x; theme=dark"
    ).json()
    assert seen["headers"]["authorization"] == "Bearer identity-of-good-mara"
    assert "cookie" not in seen["headers"]
    assert "good-mara" not in str(seen).replace("identity-of-good-mara", "")


def test_the_session_cookie_is_a_credential(gateway: Gateway) -> None:
    seen = gateway.get("/v1/orders", Cookie="theme=dark; __session=good-jon").json()
    assert seen["headers"]["authorization"] == "Bearer identity-of-good-jon"


def test_nobody_in_particular_needs_no_exchange(gateway: Gateway) -> None:
    seen = gateway.get("/v1/products").json()
    assert "authorization" not in seen["headers"]
    assert gateway.auth.seen == []


def test_what_a_client_claims_about_itself_is_stripped(gateway: Gateway) -> None:
    seen = gateway.get(
        "/v1/products/1",
        X_Identity_Token="forged",
        X_Forwarded_For="6.6.6.6",
        X_Real_IP="6.6.6.6",
        Forwarded="for=6.6.6.6",
    ).json()["headers"]
    assert "x-identity-token" not in seen
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert "6.6.6.6" not in str(seen)


def test_a_bad_credential_is_401_with_the_sign_in_address(gateway: Gateway) -> None:
    answer = gateway.get("/v1/orders", Authorization="Bearer forged")
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.headers.get_list("www-authenticate") == ["Bearer"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert answer.json()["sign_in_url"] == "http://127.0.0.1:7301/sign-in"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert gateway.upstreams["orders"].seen == []


def test_a_services_own_401_gets_the_sign_in_address(gateway: Gateway) -> None:
    gateway.upstreams["orders"].answers["/v1/orders"] = Answer(401, body=b'{"code":"unauthenticated"}')
    refused = gateway.get("/v1/orders")
    assert refused.status_code == HTTPStatus.UNAUTHORIZED
    assert refused.headers.get_list("www-authenticate") == ["Bearer"]
    assert refused.json()["sign_in_url"] == "http://127.0.0.1:7301/sign-in"


def test_every_other_error_of_a_service_passes_as_it_is(gateway: Gateway) -> None:
    for status in (400, 403, 404, 409, 412, 422, 429, 500, 503):
        body = b'{"code":"its own %d"}' % status
        gateway.upstreams["orders"].answers["/v1/orders/1"] = Answer(status, {"Retry-After": "7"}, body)
        passed = gateway.get("/v1/orders/1")
        assert (passed.status_code, passed.content) == (status, body)
        assert passed.headers.get_list("retry-after") == ["7"]


def test_a_suspended_account_is_403(gateway: Gateway) -> None:
    answer = gateway.get("/v1/orders", Authorization="Bearer suspended")
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.json()["code"] == "forbidden"
    assert "www-authenticate" not in answer.headers


def test_one_exchange_serves_a_burst_of_requests(gateway: Gateway) -> None:
    for _ in range(5):
        assert gateway.client.get("/v1/orders", headers=gateway.signed_in("burst")).is_success
    assert gateway.auth.seen == ["/internal/exchange"]


def test_a_refusal_is_not_remembered(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.get("/v1/orders", Authorization="Bearer forged-again")
    assert gateway.auth.seen == ["/internal/exchange"] * 2


def test_auth_away_without_a_known_session_is_503(gateway: Gateway) -> None:
    with gateway.auth.away():
        answer = gateway.client.get("/v1/orders", headers=gateway.signed_in("stranger"))
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json()["code"] == "unavailable"
    assert answer.headers["retry-after"] == "5"
    assert "www-authenticate" not in answer.headers


def test_auth_failing_is_503_and_not_a_refusal(gateway: Gateway) -> None:
    gateway.auth.answers["/internal/exchange"] = Answer(500)
    refused = gateway.client.get("/v1/orders", headers=gateway.signed_in("unlucky"))
    assert refused.status_code == HTTPStatus.SERVICE_UNAVAILABLE


def test_auth_away_leaves_known_sessions_and_public_pages_working(gateway: Gateway) -> None:
    assert gateway.client.get("/v1/orders", headers=gateway.signed_in("known")).is_success

    def asked_again() -> None:
        gateway.client.get("/v1/orders", headers=gateway.signed_in("known"))
        assert len(gateway.auth.seen) > 1

    wait_until(asked_again, "the remembered exchange is no longer fresh", interval=0.5)
    wait_until(lambda: _is_stale(gateway), "the remembered exchange is stale, auth is away", interval=0.5)


def _is_stale(gateway: Gateway) -> None:
    """Let the answer of a moment ago grow old while auth is away; the request must still be served."""
    with gateway.auth.away():
        seen = gateway.client.get("/v1/orders", headers=gateway.signed_in("known"))
        assert seen.is_success
        assert seen.json()["headers"]["authorization"] == "Bearer identity-of-good-known"
        assert gateway.get("/v1/products").is_success


def test_auth_token_is_the_one_route_that_sees_the_credential(gateway: Gateway) -> None:
    seen = gateway.client.post("/v1/auth/token", headers=gateway.signed_in("mara")).json()
    assert seen["headers"]["authorization"] == "Bearer good-mara"
    assert gateway.auth.seen == ["/v1/auth/token"]
