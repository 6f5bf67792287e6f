"""The merged reference of everything behind the gateway: one OpenAPI document from the services' own.

``python -m threadly_embedded.openapi`` writes ``deploy/gateway/static/openapi.json``; ``--check`` only tells
whether the committed one is current. No service runs: their applications are built and asked.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .environment import settings_for, system_settings
from .layout import SERVICES, Layout, package_of, root_folder

Document = dict[str, Any]
_REFERENCE = "#/components/schemas/"
_DESCRIPTION = """\
A marketplace for second-hand fashion between people.

Send the session token of Clerk as `Authorization: Bearer …` (or its `__session` cookie). Errors are problem
documents (RFC 9457) with a stable `code`. Lists come in pages: pass `next_cursor` back as `cursor`. Send an
`Idempotency-Key` with every `POST` that must not happen twice. Prices come out as
`{amount_minor, currency, formatted}`."""


def output_path() -> Path:
    return root_folder() / "deploy" / "gateway" / "static" / "openapi.json"


def merged(documents: Mapping[str, Document]) -> Document:
    """Merge the services' documents: public paths only, and schemas that differ under one name renamed."""
    clashing = _clashing_names(documents.values())
    paths: Document = {}
    schemas: Document = {}
    for service, document in documents.items():
        names = {name: _own_name(service, name) for name in clashing}
        renamed = _renamed(document, names)
        public = {path: item for path, item in renamed.get("paths", {}).items() if path.startswith("/v1/")}
        paths |= public
        found = renamed.get("components", {}).get("schemas", {})
        schemas |= {names.get(name, name): schema for name, schema in found.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Threadly", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{}, {"session": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "bearerFormat": "Clerk session"}
            },
            "schemas": {name: schemas[name] for name in sorted(_used(paths, schemas))},
        },
    }


def services_documents() -> dict[str, Document]:
    """Build each service's application and return its OpenAPI document."""
    with TemporaryDirectory() as folder:
        layout = Layout.from_environment({"THREADLY_RUN_FOLDER": folder})
        nowhere = "amqp://127.0.0.1:1/"
        settings = system_settings(
            layout,
            {},
            amqp_url=nowhere,
            amqp_management_url="http://127.0.0.1:1",
            redis_url="redis://127.0.0.1:1",
        )
        return {service: _document(service, settings_for(service, settings)) for service in SERVICES}


def _document(service: str, settings: Mapping[str, str]) -> Document:
    package = package_of(service)
    class_name = "".join(word.capitalize() for word in service.split("-")) + "Settings"
    os.environ.update(settings)
    chosen = getattr(import_module(f"{package}.settings"), class_name)()
    document: Document = import_module(f"{package}.main").build_app(chosen).openapi()
    return document


def _clashing_names(documents: Sequence[Document] | Any) -> set[str]:
    seen: Document = {}
    clashing = set()
    for document in documents:
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            if seen.setdefault(name, schema) != schema:
                clashing.add(name)
    return clashing


def _own_name(service: str, name: str) -> str:
    return "".join(word.capitalize() for word in service.split("-")) + name


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return ``value`` with every reference to a renamed schema following it."""
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, names) for part in value]
    if isinstance(value, str) and value.startswith(_REFERENCE):
        name = value.removeprefix(_REFERENCE)
        return _REFERENCE + names.get(name, name)
    return value


def _used(paths: Document, schemas: Document) -> set[str]:
    """Return the names of the schemas that ``paths`` refer to, directly or through others."""
    used: set[str] = set()
    waiting = _references(paths)
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting |= _references(schemas[name])
    return used


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*(_references(part) for part in value.values()))
    if isinstance(value, list):
        return set().union(*(_references(part) for part in value))
    if isinstance(value, str) and value.startswith(_REFERENCE):
        return {value.removeprefix(_REFERENCE)}
    return set()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the document; returns the exit code."""
    parser = argparse.ArgumentParser(prog="threadly_embedded.openapi", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only tell whether the committed one is current")
    check = parser.parse_args(arguments).check
    text = json.dumps(merged(services_documents()), indent=1, sort_keys=False, ensure_ascii=False) + "\n"
    path = output_path()
    current = path.exists() and path.read_text(encoding="utf-8") == text
    if check and not current:
        print(f"{path.name} is not current; run: make openapi", file=sys.stderr)
        return 1
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(
        f"{path.name}: {text.count('operationId')} operations, {'current' if check or current else 'written'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
