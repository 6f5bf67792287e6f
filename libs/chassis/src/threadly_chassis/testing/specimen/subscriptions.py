"""Where `threadly_chassis.messaging.topology_cli` looks for a service's table."""

from .service import SUBSCRIPTIONS

__all__ = ["SUBSCRIPTIONS"]
