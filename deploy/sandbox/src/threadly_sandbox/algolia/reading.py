"""Handlers that read: searches, records, settings, tasks and lists."""

import base64
import binascii
import json
from typing import Any

from .errors import AlgoliaError, bad_request, index_missing
from .options import DEFAULTS
from .request import Call

_MAX_OBJECTS = 1_000


async def search(call: Call) -> dict[str, Any]:
    return call.engine.search(call.index_name(), call.search_params(call.object()), call.forced_filters())


async def multi_search(call: Call) -> dict[str, Any]:
    """Run several searches; ``stopIfEnoughMatches`` ends with the first that fills a page."""
    results: list[dict[str, Any]] = []
    for request in _list(call, "requests"):
        name = str(request.get("indexName"))
        call.grant.check("search", name)
        params = call.search_params({**request, "params": request.get("params")})
        if request.get("type") == "facet":
            facet = str(request.get("facet"))
            found = call.engine.search_facet(name, facet, params, call.forced_filters())
        else:
            found = call.engine.search(name, params, call.forced_filters())
        results.append(found)
        if call.object().get("strategy") == "stopIfEnoughMatches" and _enough(found):
            break
    return {"results": results}


def _enough(found: dict[str, Any]) -> bool:
    return "hits" in found and found["nbHits"] >= found.get("hitsPerPage", 0)


async def search_facet(call: Call) -> dict[str, Any]:
    params = call.search_params(call.object())
    return call.engine.search_facet(call.index_name(), call.path["attribute"], params, call.forced_filters())


async def browse(call: Call) -> dict[str, Any]:
    """Walk an index page by page; the last page has no cursor."""
    params = call.search_params(call.object())
    cursor = params.get("cursor")
    if isinstance(cursor, str):
        params = {**_decode_cursor(cursor), "hitsPerPage": params.get("hitsPerPage", 1_000)}
    else:
        params = {"hitsPerPage": 1_000, **params}
    records, after = call.engine.browse(call.index_name(), params, call.forced_filters())
    answer: dict[str, Any] = {
        "hits": records,
        "query": str(params.get("query") or ""),
        "params": "",
        "hitsPerPage": params["hitsPerPage"],
        "processingTimeMS": 1,
    }
    if after is not None:
        answer["cursor"] = base64.b64encode(json.dumps({**params, "after": after}).encode()).decode()
    return answer


def _decode_cursor(cursor: str) -> dict[str, Any]:
    try:
        decoded = json.loads(base64.b64decode(cursor, validate=True))
    except (binascii.Error, ValueError):
        decoded = None
    if not isinstance(decoded, dict) or not isinstance(decoded.get("after"), int):
        raise bad_request("Invalid cursor")
    return decoded


async def get_object(call: Call) -> dict[str, Any]:
    source = _source(call, call.index_name())
    record = call.engine.store.get(source, call.path["object_id"])
    if record is None:
        raise AlgoliaError(404, "ObjectID does not exist")
    asked = call.parameters.get("attributesToRetrieve")
    return _attributes(record, asked.split(",") if asked else None)


async def get_objects(call: Call) -> dict[str, Any]:
    """Read many records, null for each that is missing."""
    results = []
    for request in _list(call, "requests"):
        name = str(request.get("indexName"))
        call.grant.check("search", name)
        record = call.engine.store.get(_source(call, name), str(request.get("objectID")))
        results.append(record and _attributes(record, request.get("attributesToRetrieve")))
    return {"results": results}


def _attributes(record: dict[str, Any], asked: list[str] | None) -> dict[str, Any]:
    if asked is None or "*" in asked:
        return record
    return {name: value for name, value in record.items() if name in asked or name == "objectID"}


def _source(call: Call, name: str) -> str:
    source = call.engine.catalogue.source_of(name)
    if source is None:
        raise index_missing(name)
    return source


def _list(call: Call, name: str) -> list[dict[str, Any]]:
    given = call.object().get(name)
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise bad_request(f"{name} must be an array of objects")
    if len(given) > _MAX_OBJECTS:
        raise bad_request(f"{name} holds more than {_MAX_OBJECTS} entries")
    return given


async def get_settings(call: Call) -> dict[str, Any]:
    row = call.engine.store.index(call.index_name())
    if row is None:
        raise index_missing(call.index_name())
    primary = {"primary": row.primary} if row.primary else {}
    return {**DEFAULTS, **call.engine.catalogue.settings(row.name), **primary, "version": 2}


async def get_task(call: Call) -> dict[str, Any]:
    """Tell a task's state whatever index the path names: ``replace_all_objects`` asks about moved ones."""
    text = call.path["task_id"]
    if not text.isdecimal():
        raise bad_request("taskID must be a number")
    published = await call.engine.task_published(int(text))
    return {"status": "published" if published else "notPublished", "pendingTask": not published}


async def list_indexes(call: Call) -> dict[str, Any]:
    rows = call.engine.store.indexes()
    # "If `null`, the API response is not paginated" (the SDK on `page`).
    paged = "page" in call.parameters
    size = int(call.parameters.get("hitsPerPage", 100)) if paged else len(rows)
    start = int(call.parameters.get("page", 0)) * size
    return {
        "items": [_listed(call, row.name) for row in rows[start : start + size]],
        "nbPages": -(-len(rows) // size) if size else 0,
    }


def _listed(call: Call, name: str) -> dict[str, Any]:
    row = call.engine.store.index(name)
    if row is None:
        raise index_missing(name)
    entries, size = call.engine.store.size(row.primary or name)
    pending = call.engine.pending_tasks(name)
    item = {
        "name": name,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "entries": entries,
        "dataSize": size,
        "fileSize": size,
        "lastBuildTimeS": 0,
        "numberOfPendingTasks": pending,
        "pendingTask": pending > 0,
    }
    return {**item, "primary": row.primary} if row.primary else item
