"""Files that are made from the code: written anew, or checked to be what the code says today."""

import sys

from .repository import ROOT


def settle(path: str, text: str, *, made_by: str, arguments: list[str]) -> int:
    """Write `text` to `path`, or with `--check` only say whether it is there; returns the exit code."""
    file = ROOT / path
    current = file.exists() and file.read_text(encoding="utf-8") == text
    if current:
        return 0
    if "--check" in arguments:
        sys.stderr.write(f"{path} is not current; run python -m {made_by}\n")
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
    return 0
