"""What the interface refuses, in Algolia's shape ``{message, status}``."""


class AlgoliaError(Exception):
    """A request that is answered with ``status`` and ``message``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad_request(message: str) -> AlgoliaError:
    """A request that no retry will make right."""
    return AlgoliaError(400, message)


def index_missing(name: str) -> AlgoliaError:
    """A read of an index that no write has created yet."""
    return AlgoliaError(404, f"Index {name} does not exist")
