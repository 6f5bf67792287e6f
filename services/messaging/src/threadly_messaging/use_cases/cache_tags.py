"""The names under which messaging's cached answers are dropped (flows MS-18)."""

from uuid import UUID


def conversation_tag(conversation_id: UUID) -> str:
    """Everything that shows a conversation's messages."""
    return f"conversation:{conversation_id}"


def inbox_tag(user_id: UUID) -> str:
    """Everything that lists a person's conversations."""
    return f"inbox:{user_id}"
