"""Every service says which of its dependencies reach outside: a rehearsal calls none of these (F42)."""

from importlib import import_module
from typing import get_type_hints

import pytest
from tools.repository import SERVICES, package_of

from threadly_chassis.cache import Cache
from threadly_chassis.messaging.stubs import outside_ports


def _deps_of(service: str) -> type:
    """What the service's `open_deps` opens."""
    opened = import_module(f"{package_of(service)}.dependencies").open_deps
    [deps] = get_type_hints(opened.__wrapped__)["return"].__args__
    assert isinstance(deps, type)
    return deps


@pytest.mark.parametrize("service", SERVICES)
def test_every_dependency_is_marked(service: str) -> None:
    outside_ports(_deps_of(service))


def test_what_calls_providers_is_marked_as_outside() -> None:
    """A port is declared in the service's `gateways`; caches and what speaks to the broker reach out, too."""
    found = {service: outside_ports(_deps_of(service)) for service in SERVICES}
    for service in SERVICES:
        hints = get_type_hints(_deps_of(service))
        reaching = {
            name
            for name, hint in hints.items()
            if ".gateways." in hint.__module__ or hint is Cache or ".messaging." in hint.__module__
        }
        assert reaching <= set(found[service]), service
    assert set(found["notifier"]) == {"realtime", "mailer"}
    assert set(found["orders"]) == {"payments", "cache"}
