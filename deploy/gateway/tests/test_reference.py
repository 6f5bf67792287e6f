"""Architecture §10: one merged OpenAPI document and reference page, which work without any network."""

import re

from threadly_embedded.openapi import merged
from threadly_embedded.testing import Gateway


def test_the_reference_page_needs_nothing_from_outside(gateway: Gateway) -> None:
    page = gateway.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        answer = gateway.get(address)
        assert answer.status_code == 200, address
        assert "://" not in address
        assert not re.search(r"https?://", answer.text.replace("http://127.0.0.1", "")), address


def test_the_document_covers_what_the_gateway_serves(gateway: Gateway) -> None:
    answer = gateway.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    paths = answer.json()["paths"]
    assert all(path.startswith("/v1/") for path in paths)
    for path in paths:
        assert gateway.get(path.replace("{", "").replace("}", "")).status_code == 200, path
    assert {path.split("/")[2] for path in paths} >= {
        "products",
        "orders",
        "conversations",
        "search",
        "users",
    }


def _document(schema: str, fields: dict[str, object], *paths: str) -> dict[str, object]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {
        "paths": {path: {"get": {"responses": {"200": {"content": content}}}} for path in paths},
        "components": {"schemas": {schema: {"properties": fields}, "Unused": {}}},
    }


def test_schemas_that_differ_under_one_name_are_told_apart() -> None:
    one = _document("View", {"a": {}}, "/v1/orders", "/internal/exchange")
    two = _document("View", {"b": {}}, "/v1/search")
    whole = merged({"orders": one, "search-indexer": two})
    assert list(whole["paths"]) == ["/v1/orders", "/v1/search"]
    assert whole["components"]["schemas"] == {
        "OrdersView": {"properties": {"a": {}}},
        "SearchIndexerView": {"properties": {"b": {}}},
    }
    reference = whole["paths"]["/v1/search"]["get"]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    assert reference == {"$ref": "#/components/schemas/SearchIndexerView"}


def test_schemas_that_agree_are_shared() -> None:
    same: dict[str, object] = {"a": {"type": "string"}}
    whole = merged(
        {"auth": _document("View", same, "/v1/users"), "orders": _document("View", same, "/v1/orders")}
    )
    assert list(whole["components"]["schemas"]) == ["View"]
