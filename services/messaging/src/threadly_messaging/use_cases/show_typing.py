"""Let the other side see that somebody is typing."""

from uuid import UUID

from threadly_chassis.errors import ThreadlyError
from threadly_chassis.http import Principal
from threadly_chassis.observability.logging import get_logger

from ..dependencies import MessagingDeps
from ..domain.channels import conversation_channel
from ..gateways.realtime import RealtimeAway, RealtimeRefused
from ..storage import conversations

_log = get_logger(__name__)

TYPING = "conversation.typing"


async def show_typing(
    conversation_id: UUID, *, is_typing: bool, typist: Principal, socket_id: str | None, deps: MessagingDeps
) -> None:
    """Send `conversation.typing` (R-RT-07); raises `ConversationNotFound` for anybody but the two.

    Ephemeral: nothing is stored, and a provider that is away costs the notice and nothing else. A client
    lets a notice lapse by itself when no other follows (E100).
    """
    async with deps.db.read() as session:
        await conversations.find_for(session, conversation_id, typist.user_id)
    data = {
        "conversationId": str(conversation_id),
        "userId": str(typist.user_id),
        "userName": typist.name,
        "isTyping": is_typing,
    }
    try:
        await deps.realtime.trigger(
            conversation_channel(conversation_id),
            TYPING,
            {"type": TYPING, "data": data},
            except_socket=socket_id,
        )
    except (RealtimeAway, RealtimeRefused) as error:
        _report(error)


def _report(error: ThreadlyError) -> None:
    _log.warning("typing not shown", error=error.code, detail=error.detail)
