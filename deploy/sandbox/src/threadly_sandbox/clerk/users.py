"""Users: what Clerk keeps about people, and the webhooks about changes."""

import json

from ..documents import Documents, Json, Where
from ..webhooks import Courier
from .errors import ClerkError, not_found
from .ids import new_id, now_ms
from .queries import UserQuery, matches
from .records import CreateUser, UpdateUser, apply_to, merged, new_email, new_user

_KIND = "user"
_ADDRESS = "address"
_MERGED = ("public_metadata", "private_metadata", "unsafe_metadata")


class Users:
    def __init__(self, documents: Documents, courier: Courier, webhook: Json) -> None:
        self._documents = documents
        self._courier = courier
        self._webhook = webhook

    def create(self, wanted: CreateUser) -> Json:
        user = new_user(wanted.email_address)
        for address in wanted.email_address:
            self._claim(address, user["id"])
        apply_to(user, wanted)
        self._save(user, "user.created")
        return user

    def load(self, user_id: str) -> Json:
        user = self._documents.get(_KIND, user_id)
        if user is None:
            raise not_found("user", user_id)
        return user

    def update(self, user_id: str, wanted: UpdateUser) -> Json:
        user = self.load(user_id)
        apply_to(user, wanted)
        if wanted.primary_email_address_id is not None:
            if wanted.primary_email_address_id not in [each["id"] for each in user["email_addresses"]]:
                raise not_found("email address", wanted.primary_email_address_id)
            user["primary_email_address_id"] = wanted.primary_email_address_id
        return self._save(user, "user.updated")

    def merge_metadata(self, user_id: str, wanted: UpdateUser) -> Json:
        """Merge deeply; a null removes its key."""
        user = self.load(user_id)
        for name in _MERGED:
            if (change := getattr(wanted, name)) is not None:
                user[name] = merged(user[name], change)
        return self._save(user, "user.updated")

    def add_email(self, user_id: str, address: str, *, primary: bool) -> Json:
        user = self.load(user_id)
        self._claim(address, user_id)
        email = new_email(address)
        user["email_addresses"].append(email)
        if primary or user["primary_email_address_id"] is None:
            user["primary_email_address_id"] = email["id"]
        self._save(user, "user.updated")
        return email

    def set_flag(self, user_id: str, name: str, *, value: bool) -> Json:
        """Ban, unban, lock or unlock."""
        user = self.load(user_id)
        user[name] = value
        return self._save(user, "user.updated")

    def touch(self, user_id: str) -> None:
        """A sign-in: no webhook, as at Clerk."""
        user = self.load(user_id)
        user |= {"last_sign_in_at": now_ms(), "last_active_at": now_ms()}
        self._documents.put(_KIND, user)

    def delete(self, user_id: str) -> Json:
        user = self.load(user_id)
        self._documents.delete(_KIND, user_id)
        self._documents.delete_where(_ADDRESS, Where("user_id", "=", user_id))
        gone = {"id": user_id, "object": "user", "deleted": True, "external_id": user["external_id"]}
        self._announce("user.deleted", gone)
        return gone

    def find(self, query: UserQuery) -> list[Json]:
        users = [user for user in self._documents.find(_KIND) if matches(user, query)]
        field = query.order_by.lstrip("+-")
        users.sort(key=lambda user: (user[field] is not None, user[field]), reverse=query.order_by[0] == "-")
        return users

    def _claim(self, address: str, user_id: str) -> None:
        """An address belongs to one user; comparing all users would make filling the sandbox quadratic."""
        if self._documents.get(_ADDRESS, address.lower()) is not None:
            message = "That email address is taken. Please try another."
            raise ClerkError(422, "form_identifier_exists", message, param="email_address")
        self._documents.put(_ADDRESS, {"id": address.lower(), "user_id": user_id})

    def _save(self, user: Json, event_type: str) -> Json:
        user["updated_at"] = max(now_ms(), user["updated_at"] + (event_type == "user.updated"))
        self._documents.put(_KIND, user)
        self._announce(event_type, user)
        return user

    def _announce(self, event_type: str, data: Json) -> None:
        event = {
            "data": data,
            "event_attributes": {"http_request": {"client_ip": "127.0.0.1", "user_agent": "sandbox"}},
            "instance_id": "ins_sandbox",
            "object": "event",
            "timestamp": now_ms(),
            "type": event_type,
        }
        self._courier.post(
            message_id=new_id("msg"),
            endpoint=self._webhook,
            body=json.dumps(event).encode(),
            label=event_type,
        )
