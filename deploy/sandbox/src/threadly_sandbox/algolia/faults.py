"""The switch that makes the provider fail: tests and demonstrations turn it at ``POST /control``."""

import asyncio
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .errors import AlgoliaError


class Faults(BaseModel):
    """What is wrong with the provider; the default is nothing."""

    model_config = ConfigDict(extra="forbid")

    down: bool = False
    """Answer 503 to everything, as a host behind a dead balancer does."""

    slow_ms: Annotated[int, Field(ge=0, le=600_000)] = 0
    """Wait this long before each answer."""

    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """Answer everything with this status; 429 asks for a second's patience."""

    drop_writes: bool = False
    """Accept writes, publish their tasks, and lose them (E077)."""

    async def strike(self) -> None:
        """Delay or refuse a request, as switched; raise AlgoliaError for a refusal."""
        if self.slow_ms:
            await asyncio.sleep(self.slow_ms / 1000)
        if self.down:
            raise AlgoliaError(503, "The sandbox was told to be down")
        if self.status is not None:
            raise AlgoliaError(self.status, f"The sandbox was told to answer {self.status}")
