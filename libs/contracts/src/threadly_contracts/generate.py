"""Writes the committed artefacts: `schemas/*.json` and `asyncapi.json`.

`python -m threadly_contracts.generate FOLDER` renews them and refuses a change that breaks a published
version; with `--check` it writes nothing and fails when anything is not current.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .asyncapi import asyncapi_document
from .registry import Registry, published_events
from .schemas import event_schema, incompatibilities


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def artefacts(events: Registry) -> dict[str, str]:
    """Every generated file's path, relative to the folder, with its text."""
    files = {f"schemas/{event.routing_key()}.json": _text(event_schema(event)) for event in events}
    return files | {"asyncapi.json": _text(asyncapi_document(events))}


def breaking_changes(folder: Path, events: Registry) -> list[str]:
    """What today's classes would break of the versions committed in `folder`."""
    current = {f"{event.routing_key()}.json": event_schema(event) for event in events}
    faults: list[str] = []
    for path in sorted((folder / "schemas").glob("*.json")):
        new = current.get(path.name)
        if new is None:
            faults.append(f"{path.stem}: a published event is gone")
            continue
        faults += [f"{path.stem}: {fault}" for fault in incompatibilities(json.loads(path.read_text()), new)]
    return faults


def stale(folder: Path, events: Registry) -> list[str]:
    """The files in `folder` that are missing or not what today's classes say."""
    return [
        name
        for name, text in artefacts(events).items()
        if not (folder / name).exists() or (folder / name).read_text() != text
    ]


def main(arguments: list[str]) -> int:
    """Renew or check the artefacts; returns the exit code."""
    check = "--check" in arguments
    folders = [Path(a) for a in arguments if not a.startswith("--")]
    if len(folders) != 1:
        sys.stderr.write("usage: python -m threadly_contracts.generate [--check] FOLDER\n")
        return 2
    folder, events = folders[0], published_events()
    faults = breaking_changes(folder, events)
    for fault in faults:
        sys.stderr.write(f"contracts: {fault}; publish it as the next major version instead\n")
    if faults:
        return 1
    old = stale(folder, events)
    for name in old:
        if check:
            sys.stderr.write(f"contracts: {name} is not current; run make documents\n")
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(artefacts(events)[name])
    sys.stdout.write(f"contracts: {len(events)} events, {len(old)} files {'stale' if check else 'written'}\n")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
