"""What search-indexer is told by its environment."""

from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from threadly_chassis.settings import CommaList, Mode, ServiceSettings


class SearchIndexerSettings(ServiceSettings):
    """Search-indexer's settings, each `THREADLY_SEARCH_INDEXER_<NAME>` or `THREADLY_<NAME>`."""

    service: ClassVar[str] = "search-indexer"
    provider_keys: ClassVar[tuple[str, ...]] = ("algolia_api_key",)

    algolia_hosts: CommaList = ("http://127.0.0.1:7303",)
    """`scheme://host:port`, in the order in which they are tried; empty for Algolia's own."""
    algolia_app_id: str = "SANDBOX"
    algolia_api_key: SecretStr = SecretStr("sandbox-admin")
    algolia_index: str = "products"
    index_search_seconds: Annotated[float, Field(gt=0, le=10)] = 1.0
    """How long a search waits for the index before the database answers instead."""
    index_write_seconds: Annotated[float, Field(gt=0, le=50)] = 15.0
    """How long a write may take until it is visible, before it is tried again."""
    default_currency: str = "EUR"
    """Of a price bound that names none."""

    @model_validator(mode="after")
    def _production_index_is_real(self) -> Self:
        """Refuse the sandbox's search in production (architecture §2)."""
        local = [h for h in self.algolia_hosts if urlsplit(h).hostname in {"127.0.0.1", "localhost", "::1"}]
        if self.mode is Mode.PRODUCTION and local:
            msg = f"production mode refuses sandbox hosts: {', '.join(local)}"
            raise ValueError(msg)
        return self
