"""A small volume of a test's own that can be filled to the last byte: what a server does on a full disk."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LauncherError
from .privileges import give_to_server_user
from .shell import run

_CHUNK = 1 << 16


class SmallVolume:
    """A mounted volume; `folder` is the servers' user's, the ballast lies beside it."""

    def __init__(self, mount: Path) -> None:
        self.folder = mount / "data"
        self._ballast = mount / "ballast"
        self.folder.mkdir(mode=0o700)
        give_to_server_user(self.folder)

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab", buffering=0) as ballast:
            size = _CHUNK
            while size:
                try:
                    ballast.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_volume(megabytes: int) -> Iterator[SmallVolume]:
    """Mount one; raises :class:`LauncherError` where mounting is not allowed (containers, ordinary users)."""
    with tempfile.TemporaryDirectory(prefix="threadly-volume-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        mounted = run(("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", folder))
        if mounted.returncode != 0:
            raise LauncherError(f"no small volume: {mounted.stderr.strip()}")
        try:
            yield SmallVolume(Path(folder))
        finally:
            run(("umount", "--lazy", folder))
