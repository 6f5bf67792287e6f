"""A well-behaved client of the gateway: an idempotency key on every POST, patience with 429 and 503."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import httpx

from .clerk import Session

#: A process that was killed is back within seconds; a good client asks again and loses nothing.
_AGAIN = {429, 502, 503, 504}


class Refused(Exception):
    """The API said no; `problem` is its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail') or problem.get('title')}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The problem's stable code."""
        return str(self.problem.get("code", ""))


class Api:
    """The API as one person sees it; without a session, as anybody."""

    def __init__(self, url: str, session: Session | None = None, *, patience: float = 20.0) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=15, trust_env=False)
        self._session = session
        self._patience = patience

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, **params: Any) -> Any:
        """GET; raises `Refused`."""
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """POST, safe to repeat; raises `Refused`."""
        return await self._call("POST", path, json=body, headers={"Idempotency-Key": key or str(uuid4())})

    async def token(self) -> str:
        """The session token, for clients that call the API themselves."""
        return await self._session.token() if self._session else ""

    async def _call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **request: Any
    ) -> Any:
        end = time.monotonic() + self._patience
        pause = 0.05
        while True:
            answer = await self._try(method, path, headers or {}, request)
            if answer is not None and answer.status_code not in _AGAIN:
                break
            if time.monotonic() > end:
                raise Refused(answer.status_code if answer is not None else 0, _problem(answer))
            wanted = answer.headers.get("retry-after", "") if answer is not None else ""
            await asyncio.sleep(min(float(wanted), 2.0) if wanted.isdigit() and pause > 1 else pause)
            pause = min(pause * 2, 2.0)
        if answer.is_error:
            raise Refused(answer.status_code, _problem(answer))
        return answer.json() if answer.content else None

    async def _try(
        self, method: str, path: str, headers: dict[str, str], request: dict[str, Any]
    ) -> httpx.Response | None:
        if self._session:
            headers = headers | {"Authorization": f"Bearer {await self._session.token()}"}
        try:
            return await self._http.request(method, path, headers=headers, **request)
        except httpx.TransportError:
            return None


def _problem(answer: httpx.Response | None) -> dict[str, Any]:
    if answer is None:
        return {"code": "no_answer", "title": "The gateway did not answer"}
    try:
        problem: dict[str, Any] = answer.json()
    except ValueError:
        return {"code": "no_problem", "title": answer.text[:200]}
    return problem
