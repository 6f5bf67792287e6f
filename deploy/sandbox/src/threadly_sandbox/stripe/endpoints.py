"""Webhook endpoints: who is told about events. The gateway's is always there."""

from typing import Annotated

from pydantic import Field

from ..documents import Documents, Json
from .account import now
from .errors import StripeError
from .ids import new_id, random_letters
from .operations import Call, deleted
from .params import Items, ListParams, Metadata, Params, Text, merged_metadata

DEFAULT_ENDPOINT = "we_sandbox_default"


class CreateEndpoint(Params):
    enabled_events: Annotated[Items[str], Field(min_length=1)]
    url: str
    api_version: str | None = None
    connect: bool = False
    description: Text = None
    metadata: Metadata | None = None


class UpdateEndpoint(Params):
    description: Text = None
    disabled: bool | None = None
    enabled_events: Annotated[Items[str], Field(min_length=1)] | None = None
    metadata: Metadata | None = None
    url: str | None = None


def create(call: Call) -> Json:
    """The secret is shown in this answer and never again."""
    params = call.read(CreateEndpoint)
    _check_url(params.url)
    endpoint = _new(new_id("we"), params.url, f"whsec_{random_letters(32)}", params.enabled_events)
    endpoint |= {
        "api_version": params.api_version,
        "description": params.description,
        "metadata": merged_metadata({}, params.metadata),
    }
    call.account.save(endpoint)
    return call.answer(endpoint, params) | {"secret": endpoint["_secret"]}


def update(call: Call) -> Json:
    params = call.read(UpdateEndpoint)
    endpoint = call.account.load("webhook_endpoint", call.path["id"])
    if params.url is not None:
        _check_url(params.url)
    endpoint |= params.given("metadata", "disabled")
    endpoint["metadata"] = merged_metadata(endpoint["metadata"], params.metadata)
    if params.disabled is not None:
        endpoint["status"] = "disabled" if params.disabled else "enabled"
    call.account.save(endpoint)
    return call.answer(endpoint, params)


def delete(call: Call) -> Json:
    endpoint = call.account.load("webhook_endpoint", call.path["id"])
    call.account.documents.delete("webhook_endpoint", endpoint["id"])
    call.account.courier.forget_endpoint(endpoint["id"])
    return deleted(endpoint)


def list_all(call: Call) -> Json:
    return call.page("webhook_endpoint", call.read(ListParams))


def install_default(documents: Documents, url: str, secret: str) -> None:
    """The endpoint of the gateway, as the settings of this start say."""
    documents.put("webhook_endpoint", _new(DEFAULT_ENDPOINT, url, secret, ["*"]))


def _new(endpoint_id: str, url: str, secret: str, enabled_events: list[str]) -> Json:
    return {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now(),
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    }


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise StripeError(message, code="url_invalid", param="url")
