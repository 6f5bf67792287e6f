"""Keep how somebody is reached; the chassis' gate leaves out what is older than what we hold."""

from sqlalchemy.dialects.postgresql import insert

from threadly_chassis.messaging import Context
from threadly_contracts.auth import UserRegistered, UserUpdated

from ..dependencies import NotifierDeps
from ..storage.tables import ContactRow


async def note_contact(event: UserRegistered | UserUpdated, context: Context[NotifierDeps]) -> None:
    """Store or renew a contact."""
    values = {"email": event.email, "first_name": event.first_name, "last_name": event.last_name}
    await context.tx.session.execute(
        insert(ContactRow)
        .values(user_id=event.user_id, **values)
        .on_conflict_do_update(index_elements=["user_id"], set_=values)
    )
