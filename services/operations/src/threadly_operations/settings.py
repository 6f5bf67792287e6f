"""What operations is told from outside."""

from typing import ClassVar

from threadly_chassis.settings import ServiceSettings


class OperationsSettings(ServiceSettings):
    """Operations' settings; see `.env.example`."""

    service: ClassVar[str] = "operations"
