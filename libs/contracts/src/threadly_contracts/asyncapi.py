"""The AsyncAPI 3.0 document of what Threadly publishes, for those who listen from outside."""

from typing import Any

from .event import Event
from .registry import Registry
from .schemas import event_schema

#: The topic exchange that every public event goes through.
EVENTS_EXCHANGE = "t.events"

_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "CloudEvents 1.0 attributes in binary mode, and Threadly's extensions.",
    "required": ["cloudEvents:id", "cloudEvents:source", "cloudEvents:type", "cloudEvents:specversion"],
    "properties": {
        "cloudEvents:id": {"type": "string", "format": "uuid"},
        "cloudEvents:source": {"type": "string"},
        "cloudEvents:type": {"type": "string"},
        "cloudEvents:specversion": {"const": "1.0"},
        "cloudEvents:subject": {"type": "string", "description": "The aggregate's id."},
        "cloudEvents:time": {"type": "string", "format": "date-time"},
        "cloudEvents:sequence": {
            "type": "string",
            "description": "The aggregate's version, zero-padded so that text order is number order.",
        },
        "traceparent": {"type": "string"},
    },
}


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/EventHeaders"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": event_schema(event),
        },
    }


def asyncapi_document(events: Registry) -> dict[str, Any]:
    """Describe every event as a channel on the exchange and an operation of its owner."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Threadly events",
            "version": "1.0.0",
            "description": "What Threadly's services publish. A version only ever gains optional fields.",
        },
        "channels": {
            event.__name__: {
                "address": event.routing_key(),
                "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {
                            "name": EVENTS_EXCHANGE,
                            "type": "topic",
                            "durable": True,
                            "autoDelete": False,
                        },
                    }
                },
            }
            for event in events
        },
        "operations": {
            f"publish{event.__name__}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{event.__name__}"},
                "tags": [{"name": event.owner()}],
            }
            for event in events
        },
        "components": {
            "messages": {event.__name__: _message(event) for event in events},
            "schemas": {"EventHeaders": _HEADERS},
        },
    }
