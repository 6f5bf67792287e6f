"""What a task does to an index when its turn comes: each operation changes the store and tells the index."""

from collections.abc import Callable
from typing import Any

from .catalogue import Catalogue
from .errors import bad_request
from .filters import All, facet_leaf, parse_filters, parse_nested, tag_leaf
from .options import replica_names
from .records import Record, Refused, partial_update
from .store import Pending


def apply(catalogue: Catalogue, task: Pending) -> None:
    """Carry out one task; what cannot succeed was refused when it was accepted."""
    _OPERATIONS[task.operation["kind"]](catalogue, task.index, task.operation)


def _batch(catalogue: Catalogue, name: str, operation: dict[str, Any]) -> None:
    catalogue.store.put_index(name)
    for request in operation["requests"]:
        _act(catalogue, name, request["action"], request.get("body") or {})


def _act(catalogue: Catalogue, name: str, action: str, body: Record) -> None:
    match action:
        case "addObject" | "updateObject":
            catalogue.put(name, body)
        case "partialUpdateObject" | "partialUpdateObjectNoCreate":
            current = catalogue.store.get(name, body["objectID"])
            if current is None and action == "partialUpdateObjectNoCreate":
                return
            try:
                catalogue.put(name, partial_update(current, body))
            except Refused:
                return
        case "deleteObject":
            catalogue.remove(name, body["objectID"])
        case "clear":
            catalogue.clear(name)
        case "delete":
            _drop(catalogue, name, {})


def _delete_by(catalogue: Catalogue, name: str, operation: dict[str, Any]) -> None:
    catalogue.store.put_index(name)
    index = catalogue.tantivy(name)
    index.commit()  # the records of earlier tasks in this group must be found
    query = index.filter_query(delete_filter(operation["params"]))
    found = index.candidates(query, catalogue.store.size(name)[0], None)
    for number in found.numbers:
        record = catalogue.store.record(number)
        if record is not None:
            catalogue.remove(name, record["objectID"])


def delete_filter(params: dict[str, Any]) -> All:
    """Read the filters of a ``deleteByQuery``; 400 when there are none, which would delete everything."""
    tree = All(
        (
            parse_filters(str(params.get("filters") or "")),
            parse_nested(params.get("facetFilters"), facet_leaf),
            parse_nested(params.get("numericFilters"), parse_filters),
            parse_nested(params.get("tagFilters"), tag_leaf),
        )
    )
    if all(part == All(()) for part in tree.parts):
        raise bad_request("deleteByQuery needs at least one filter; use clear to remove every record")
    return tree


def _clear(catalogue: Catalogue, name: str, _: dict[str, Any]) -> None:
    catalogue.store.put_index(name)
    catalogue.clear(name)


def _drop(catalogue: Catalogue, name: str, _: dict[str, Any]) -> None:
    for replica in replica_names(catalogue.settings(name)):
        _detach(catalogue, replica)
    catalogue.store.drop_index(name)
    catalogue.forget(name)


def _detach(catalogue: Catalogue, replica: str) -> None:
    row = catalogue.store.index(replica)
    if row is not None:
        catalogue.store.put_index(replica, row.settings, primary=None)


def _settings(catalogue: Catalogue, name: str, operation: dict[str, Any]) -> None:
    row = catalogue.store.index(name)
    before = row.settings if row else {}
    after = {**before, **operation["settings"]}
    catalogue.store.put_index(name, after, primary=row.primary if row else None)
    for replica in set(replica_names(before)) - set(replica_names(after)):
        _detach(catalogue, replica)
    for replica in replica_names(after):
        own = catalogue.store.index(replica)
        forwarded = {k: v for k, v in operation["settings"].items() if k != "replicas"}
        extra = forwarded if operation["forward"] else {}
        catalogue.store.put_index(replica, {**(own.settings if own else {}), **extra}, primary=name)
    # A replica's sort may need a column in its primary's index.
    source = catalogue.source_of(name) or name
    catalogue.tantivy(source)


def _copy(catalogue: Catalogue, name: str, operation: dict[str, Any]) -> None:
    destination, scope = operation["destination"], operation.get("scope")
    source, target = catalogue.store.index(name), catalogue.store.index(destination)
    settings = target.settings if target else {}
    if scope is None or "settings" in scope:
        # The replicas stay where they are: two primaries cannot share one (Algolia, "operationIndex").
        kept = {"replicas": settings["replicas"]} if settings.get("replicas") else {}
        copied = {k: v for k, v in (source.settings if source else {}).items() if k != "replicas"}
        settings = {**copied, **kept}
    catalogue.store.put_index(destination, settings, primary=target.primary if target else None)
    if scope is None:
        catalogue.store.copy_records(name, destination)
        catalogue.forget(destination)
    catalogue.tantivy(destination)


def _move(catalogue: Catalogue, name: str, operation: dict[str, Any]) -> None:
    destination = operation["destination"]
    source, target = catalogue.store.index(name), catalogue.store.index(destination)
    if source is None:
        return
    kept = {"replicas": target.settings["replicas"]} if target and target.settings.get("replicas") else {}
    catalogue.store.put_index(destination, {**source.settings, **kept}, primary=None)
    catalogue.store.move_records(name, destination)
    catalogue.store.drop_index(name)
    catalogue.rename(name, destination)
    catalogue.tantivy(destination)


_OPERATIONS: dict[str, Callable[[Catalogue, str, dict[str, Any]], None]] = {
    "batch": _batch,
    "delete_by": _delete_by,
    "clear": _clear,
    "delete": _drop,
    "settings": _settings,
    "copy": _copy,
    "move": _move,
}
