"""The one Stripe account the sandbox plays: its objects, its events, and what a request may ask of them."""

import json
import time
from dataclasses import dataclass, field, replace
from typing import Final

from ..documents import Documents, Json, Where
from ..journal import Journal
from ..webhooks import Courier
from .errors import StripeError
from .ids import new_id
from .timers import Timers

API_VERSION: Final = "2026-10-28.endive"

# Which fields hold the id of what; the noun is also the kind under which the documents are stored.
_REFERENCES = {
    "charge": "charge",
    "customer": "customer",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Reads and writes objects, and announces changes; all inside the transaction of one request."""

    documents: Documents
    journal: Journal
    courier: Courier
    timers: Timers
    origin: Json = field(default_factory=lambda: {"id": None, "idempotency_key": None})
    """The request that causes the changes, as events show it."""

    def on_behalf_of(self, request_id: str, idempotency_key: str | None) -> "Account":
        return replace(self, origin={"id": request_id, "idempotency_key": idempotency_key})

    def save(self, thing: Json) -> None:
        self.documents.put(thing["object"], thing)

    def load(self, noun: str, thing_id: str, *, param: str = "id") -> Json:
        """Raises StripeError 404 `resource_missing`."""
        thing = self.documents.get(noun, thing_id)
        if thing is None:
            raise StripeError.missing_resource(noun, thing_id, param)
        return thing

    def emit(self, event_type: str, thing: Json, previous: Json | None = None) -> None:
        """Record the event and send it to every endpoint that wants its type.

        `previous` is the object before the change; the event then names the former values.
        """
        endpoints = [each for each in self.documents.find("webhook_endpoint") if _wants(each, event_type)]
        data: Json = {"object": public(thing)}
        if previous is not None:
            data["previous_attributes"] = _former_values(public(previous), data["object"])
        event: Json = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": len(endpoints),
            "request": self.origin,
            "type": event_type,
        }
        self.save(event)
        body = json.dumps(event).encode()
        for endpoint in endpoints:
            self.courier.post(
                message_id=event["id"],
                endpoint={"id": endpoint["id"], "url": endpoint["url"], "secret": endpoint["_secret"]},
                body=body,
                label=event_type,
            )

    def tell(self, summary: str, thing: Json) -> None:
        """Show a payment on the sandbox's page once the request is kept."""
        detail = public(thing)
        self.documents.after_commit(lambda: self.journal.add("payment", summary, detail))

    def expanded(self, thing: Json, paths: list[str]) -> Json:
        """What the client sees, with the ids named in `expand` replaced by their objects."""
        seen = public(thing)
        for path in paths:
            self._expand(seen, path.split("."), path)
        return seen

    def _expand(self, seen: Json, names: list[str], path: str) -> None:
        name, *rest = names
        if name == "refunds" and seen["object"] == "charge":
            seen[name] = self._refunds_of(seen)
            return
        if name not in _REFERENCES or name not in seen:
            raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
        if isinstance(seen[name], str):
            seen[name] = public(self.load(_REFERENCES[name], seen[name]))
        if rest and seen[name] is not None:
            self._expand(seen[name], rest, path)

    def _refunds_of(self, charge: Json) -> Json:
        refunds = self.documents.find("refund", Where("charge", "=", charge["id"]))
        url = f"/v1/charges/{charge['id']}/refunds"
        return {"object": "list", "data": [public(each) for each in refunds], "has_more": False, "url": url}


def public(thing: Json) -> Json:
    """Without the fields the sandbox keeps for itself, which start with an underscore."""
    return {key: value for key, value in thing.items() if not key.startswith("_")}


def now() -> int:
    """Unix seconds; Stripe's times have no finer grain."""
    return int(time.time())


def _wants(endpoint: Json, event_type: str) -> bool:
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event_type in enabled)


def _former_values(before: Json, after: Json) -> Json:
    return {key: value for key, value in before.items() if after.get(key) != value}
