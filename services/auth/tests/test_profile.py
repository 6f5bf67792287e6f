"""What is read out of Clerk's user objects."""

from typing import Any

import pytest

from threadly_auth.domain.profile import MalformedProfile, parse_profile

USER: dict[str, Any] = {"id": "user_1", "created_at": 1_000, "updated_at": 2_000}


def test_the_first_address_counts() -> None:
    """R-AUTH-06."""
    addresses = [{"email_address": "a@example.com"}, {"email_address": "b@example.com"}]

    assert parse_profile(USER | {"email_addresses": addresses}).email == "a@example.com"
    assert parse_profile(USER | {"email_addresses": []}).email == ""


@pytest.mark.parametrize("metadata", [{}, None, {"role": "admin"}, {"role": ["operator"]}])
def test_only_the_operators_role_makes_an_operator(metadata: Any) -> None:
    assert parse_profile(USER | {"public_metadata": metadata}).roles == ("member",)
    assert parse_profile(USER | {"public_metadata": {"role": "operator"}}).roles == ("member", "operator")


@pytest.mark.parametrize(
    "flaw",
    [
        {"id": ""},
        {"id": None},
        {"updated_at": None},
        {"updated_at": "2026-01-01"},
        {"updated_at": 10**30},
        {"created_at": float("nan")},
        {"email_addresses": ["a@example.com"]},
        {"email_addresses": 7},
        {"public_metadata": "operator"},
    ],
)
def test_an_odd_user_object_is_malformed(flaw: dict[str, Any]) -> None:
    with pytest.raises(MalformedProfile):
        parse_profile(USER | flaw)
