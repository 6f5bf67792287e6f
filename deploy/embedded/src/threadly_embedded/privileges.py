"""Which user the servers run as.

PostgreSQL refuses to run as root, and RabbitMQ, Redis and nginx need no root either. So when the
launcher runs as root, servers run as ``nobody``. A clone may lie where ``nobody`` cannot enter (``/root``
has mode 700), and so do the wheels' binaries in it. There the servers keep exactly one of root's rights,
``CAP_DAC_OVERRIDE`` (pass file permissions). It takes effect for access(2), which initdb uses to find its
binaries, only with the ``no_setuid_fixup`` secure bit (capabilities(7)).
"""

import functools
import os
import pwd
import shutil
import signal
from pathlib import Path

from .errors import LauncherError
from .shell import run

SERVER_USER = "nobody"
_DAC_OVERRIDE = (
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--securebits=+no_setuid_fixup",
)


def server_command(
    command: tuple[str, ...], folder: Path, *, stop_signal: signal.Signals = signal.SIGTERM
) -> tuple[str, ...]:
    """Return ``command`` so that it runs as the servers' user and dies with its parent.

    ``folder`` is what the server must be able to enter besides its own program.
    """
    drop = _drop_root(folder, Path(command[0])) if os.geteuid() == 0 else ()
    return (*_setpriv(), f"--pdeathsig={stop_signal.name.removeprefix('SIG')}", *drop, "--", *command)


def die_with_parent(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``command`` so that it gets SIGTERM when the launcher dies, however it dies."""
    return (*_setpriv(), "--pdeathsig=TERM", "--", *command)


def give_to_server_user(path: Path) -> None:
    """Make the servers' user own ``path`` and what is below it; changes nothing for an ordinary user."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(SERVER_USER)
    for place in (path, *path.rglob("*")):
        os.chown(place, user.pw_uid, user.pw_gid, follow_symlinks=False)


def output_pipe() -> tuple[int, int]:
    """Return a new pipe (read end, write end) for a program's output.

    nginx opens its log /dev/stdout by name, so the servers' user must own the pipe behind it.
    """
    reading, writing = os.pipe()
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.fchown(writing, user.pw_uid, user.pw_gid)
    return reading, writing


def _setpriv() -> tuple[str, ...]:
    program = shutil.which("setpriv")
    if program is None:
        raise LauncherError("setpriv is missing; install it with: apt-get install util-linux")
    return (program,)


@functools.cache
def _drop_root(folder: Path, program: Path) -> tuple[str, ...]:
    user = pwd.getpwnam(SERVER_USER)
    drop = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    for rights in ((), _DAC_OVERRIDE):
        if _can_reach((*_setpriv(), *drop, *rights), folder, program):
            return (*drop, *rights)
    raise LauncherError(
        f"the user {SERVER_USER} cannot enter {folder} and root may not pass that right on "
        "(no CAP_DAC_OVERRIDE); clone to a folder that others may enter, or run as an ordinary user"
    )


def _can_reach(as_user: tuple[str, ...], folder: Path, program: Path) -> bool:
    test = ("--", "test", "-x", str(folder), "-a", "-x", str(program))
    return run((*as_user, *test)).returncode == 0
