"""A request as the handlers see it: parsed, and with the rights of its key."""

from dataclasses import dataclass
from typing import Any

from .engine import Engine
from .errors import bad_request
from .keys import Grant
from .query import read_params


@dataclass(frozen=True)
class Call:
    """One request to the interface."""

    engine: Engine
    grant: Grant
    path: dict[str, str]
    parameters: dict[str, str]
    body: Any
    drop_writes: bool

    @property
    def index(self) -> str | None:
        """The index in the path; None for calls that span several."""
        return self.path.get("index")

    def index_name(self) -> str:
        return self.path["index"]

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object; 400 for anything else."""
        if not isinstance(self.body, dict):
            raise bad_request("Invalid JSON: expected an object")
        return self.body

    def search_params(self, given: Any) -> dict[str, Any]:
        """Combine a request's search parameters with those that its secured key forces upon it."""
        forced = {name: value for name, value in self.grant.forced.items() if name != "filters"}
        return {**read_params(given), **forced}

    def forced_filters(self) -> list[str]:
        return [self.grant.forced["filters"]] if "filters" in self.grant.forced else []

    def write(self, index: str, operation: dict[str, Any]) -> int:
        """Hand a write to the engine and return its task's id; replicas follow their primary only."""
        row = self.engine.store.index(index)
        if row is not None and row.primary is not None and operation["kind"] not in {"settings", "delete"}:
            raise bad_request(f"Index {index} is a replica of {row.primary}: write to the primary")
        lost: dict[str, Any] = {"kind": "batch", "requests": []}
        return self.engine.accept(index, lost if self.drop_writes else operation)
