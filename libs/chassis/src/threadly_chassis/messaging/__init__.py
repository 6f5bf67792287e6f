"""Events in and out over RabbitMQ: topology, publishing, consuming, dead letters."""

from .context import Context, EffectContext
from .subscriptions import Consumer, EffectConsumer, Gate, Subscriptions

__all__ = ["Consumer", "Context", "EffectConsumer", "EffectContext", "Gate", "Subscriptions"]
