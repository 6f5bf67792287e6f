"""Handlers that write: each checks what it is given, hands it to the engine and answers with a task."""

import secrets
from contextlib import suppress
from typing import Any

from .errors import bad_request
from .operations import delete_filter
from .options import check_settings
from .query import read_params
from .records import Refused, check_size
from .records import partial_update as _merged
from .request import Call
from .store import now

_WITH_RECORD = {"addObject", "updateObject", "partialUpdateObject", "partialUpdateObjectNoCreate"}
_ACTIONS = {*_WITH_RECORD, "deleteObject", "delete", "clear"}


def _new_object_id() -> str:
    return secrets.token_hex(8)


def _checked(request: Any, position: int) -> dict[str, Any]:
    """Check one entry of a batch and give it its object id; 400 names what is wrong."""
    if not isinstance(request, dict) or request.get("action") not in _ACTIONS:
        raise bad_request(f"Invalid action at the position {position}")
    action, given = request["action"], request.get("body", {})
    if not isinstance(given, dict):
        raise bad_request(f"Invalid body at the position {position}")
    body = dict(given)
    if "objectID" in body:
        body["objectID"] = str(body["objectID"])
    elif action == "addObject":
        body["objectID"] = _new_object_id()
    elif action not in {"clear", "delete"}:
        raise bad_request(f"Missing objectID at the position {position}")
    if action in _WITH_RECORD:
        check_size(body, position)
    if action.startswith("partial"):
        with suppress(Refused):  # only the operations themselves are judged here
            _merged(None, body)
    return {"action": action, "body": body}


def _requests(given: Any) -> list[dict[str, Any]]:
    requests = given.get("requests")
    if not isinstance(requests, list):
        raise bad_request("requests must be an array")
    return [_checked(request, position) for position, request in enumerate(requests)]


def _batch_task(call: Call, index: str, requests: list[dict[str, Any]]) -> int:
    return call.write(index, {"kind": "batch", "requests": requests})


async def batch(call: Call) -> dict[str, Any]:
    requests = _requests(call.object())
    task = _batch_task(call, call.index_name(), requests)
    return {"taskID": task, "objectIDs": [one["body"].get("objectID", "") for one in requests]}


async def multi_batch(call: Call) -> dict[str, Any]:
    """Write to several indexes: one task each, in the order in which they first appear."""
    requests = _requests(call.object())
    by_index: dict[str, list[dict[str, Any]]] = {}
    for given, checked in zip(call.object()["requests"], requests, strict=True):
        name = str(given.get("indexName") or "")
        call.grant.check("addObject", name)
        by_index.setdefault(name, []).append(checked)
    if "" in by_index:
        raise bad_request("Missing indexName")
    tasks = {name: _batch_task(call, name, group) for name, group in by_index.items()}
    return {"taskID": tasks, "objectIDs": [one["body"].get("objectID", "") for one in requests]}


def _single(call: Call, action: str, body: dict[str, Any]) -> int:
    return _batch_task(call, call.index_name(), [_checked({"action": action, "body": body}, 0)])


async def save_without_id(call: Call) -> dict[str, Any]:
    body = {"objectID": _new_object_id(), **call.object()}
    return {
        "taskID": _single(call, "addObject", body),
        "objectID": str(body["objectID"]),
        "createdAt": now(),
    }


async def save(call: Call) -> dict[str, Any]:
    object_id = call.path["object_id"]
    task = _single(call, "addObject", {**call.object(), "objectID": object_id})
    return {"taskID": task, "objectID": object_id, "updatedAt": now()}


async def partial_update(call: Call) -> dict[str, Any]:
    object_id = call.path["object_id"]
    creates = call.parameters.get("createIfNotExists", "true") != "false"
    action = "partialUpdateObject" if creates else "partialUpdateObjectNoCreate"
    task = _single(call, action, {**call.object(), "objectID": object_id})
    return {"taskID": task, "objectID": object_id, "updatedAt": now()}


async def delete_object(call: Call) -> dict[str, Any]:
    task = _single(call, "deleteObject", {"objectID": call.path["object_id"]})
    return {"taskID": task, "deletedAt": now()}


async def delete_by(call: Call) -> dict[str, Any]:
    params = read_params(call.object())
    delete_filter(params)
    return {
        "taskID": call.write(call.index_name(), {"kind": "delete_by", "params": params}),
        "updatedAt": now(),
    }


async def clear(call: Call) -> dict[str, Any]:
    return {"taskID": call.write(call.index_name(), {"kind": "clear"}), "updatedAt": now()}


async def delete_index(call: Call) -> dict[str, Any]:
    return {"taskID": call.write(call.index_name(), {"kind": "delete"}), "deletedAt": now()}


async def set_settings(call: Call) -> dict[str, Any]:
    settings = call.object()
    check_settings(settings)
    forward = call.parameters.get("forwardToReplicas", "false") == "true"
    operation = {"kind": "settings", "settings": settings, "forward": forward}
    return {"taskID": call.write(call.index_name(), operation), "updatedAt": now()}


async def copy_or_move(call: Call) -> dict[str, Any]:
    body = call.object()
    kind, destination = body.get("operation"), body.get("destination")
    if kind not in {"copy", "move"} or not isinstance(destination, str) or not destination:
        raise bad_request("operation must be copy or move, with a destination")
    call.grant.check("addObject", destination)
    operation = {"kind": kind, "destination": destination, "scope": body.get("scope")}
    return {"taskID": call.write(call.index_name(), operation), "updatedAt": now()}
