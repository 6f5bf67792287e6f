"""The cache (R-CACHE): get-or-load over Redis, dropped by tags, never a reason to fail."""

from .lifecycle import CachePolicy
from .read_through import Cache
from .redis_store import CacheUnavailable, Metadata
from .ttl import CACHE_TTL

__all__ = ["CACHE_TTL", "Cache", "CachePolicy", "CacheUnavailable", "Metadata"]
