"""The one Clerk instance the sandbox plays: users, sessions and keys over one set of documents."""

from dataclasses import dataclass

from ..documents import Documents
from ..journal import Journal
from ..settings import SandboxSettings
from ..webhooks import Courier
from .ids import sign
from .keys import SigningKeys
from .sessions import Sessions
from .users import Users


@dataclass(frozen=True, slots=True)
class Instance:
    documents: Documents
    courier: Courier
    keys: SigningKeys
    users: Users
    sessions: Sessions


def open_instance(settings: SandboxSettings, journal: Journal) -> Instance:
    documents = Documents(settings.data_dir and settings.data_dir / "clerk.sqlite")
    courier = Courier("Clerk", documents=documents, journal=journal, sign=sign)
    webhook = {
        "id": "ep_sandbox_default",
        "url": f"{settings.public_url}/v1/webhooks/clerk",
        "secret": settings.clerk_webhook_secret.get_secret_value(),
    }
    keys = SigningKeys(documents)
    users = Users(documents, courier, webhook)
    return Instance(documents, courier, keys, users, Sessions(documents, users, keys, settings))
