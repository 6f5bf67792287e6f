"""What an exchange gives, and what this process remembers of it for some seconds."""

from dataclasses import dataclass
from datetime import datetime

from ..domain.recent import Recent
from .tables import UserRow


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user, and the token that speaks for them until `expires_at`."""

    token: str
    expires_at: datetime
    user: UserRow


#: By the digest of the credential, so that no credential is held.
RecentExchanges = Recent[bytes, SignedIn]
