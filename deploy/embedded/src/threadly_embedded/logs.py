"""Log files with a bounded size: a program that complains in a loop must not fill the disk."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

LARGEST = 8 * 1024 * 1024


class RotatingLog:
    """Collects a program's output in ``path``; at 8 MiB the file becomes ``path.1`` and a new one begins."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self.path = path
        self._largest = largest
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)
            size = file.tell()
        if size > self._largest:
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))

    def note(self, text: str) -> None:
        """Write one line of the supervisor's own."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.write(f"{moment} supervisor: {text}\n".encode())

    async def follow(self, descriptor: int) -> None:
        """Copy what comes out of the pipe ``descriptor`` until its end, and close it."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb")
        )
        try:
            while data := await stream.read(65536):
                self.write(data)
        finally:
            transport.close()
