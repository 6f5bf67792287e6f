"""Small file helpers: secrets that only the owner reads, and files that are whole or absent."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace ``path`` at once: a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def secret(path: Path) -> str:
    """Return the secret kept in ``path``, made once: 32 URL-safe characters, readable by the owner only."""
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(24), mode=0o600)
    return path.read_text(encoding="utf-8")
