"""Events: what a reconciling client reads when webhooks were lost."""

from typing import Annotated

from pydantic import Field

from ..documents import Documents, Json, Where
from .errors import StripeError
from .operations import Call, equal
from .params import Items, ListParams

KEPT_FOR = 30 * 24 * 3600  # seconds: https://docs.stripe.com/api/events


class ListEvents(ListParams):
    delivery_success: bool | None = None
    type: str | None = None
    types: Annotated[Items[str], Field(max_length=20)] | None = None


def list_all(call: Call) -> Json:
    params = call.read(ListEvents)
    if params.type is not None and params.types is not None:
        raise StripeError("You may only specify one of these parameters: type, types.", param="types")
    filters = equal(type=params.type)
    if params.types is not None:
        filters.append(Where("type", "IN", params.types))
    if params.delivery_success is not None:
        filters.append(Where("pending_webhooks", "=" if params.delivery_success else ">", 0))
    return call.page("event", params, *filters)


def mark_delivered(documents: Documents, event_id: str) -> None:
    """One endpoint fewer still waits for the event."""
    event = documents.get("event", event_id)
    if event is not None:
        event["pending_webhooks"] = max(0, event["pending_webhooks"] - 1)
        documents.put("event", event)
