"""Object ids as Stripe makes them: a prefix and random letters."""

import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    return f"{prefix}_{random_letters(24)}"


def random_letters(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
