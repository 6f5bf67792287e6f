"""A rebuild's states, and the reader's comparison in words."""

from enum import StrEnum

from threadly_contracts.operations import RebuildShare


class RebuildStatus(StrEnum):
    """How a rebuild stands; the last four are ends."""

    REQUESTED = "requested"
    RUNNING = "running"
    REFUSED = "refused"
    EQUAL = "equal"
    DIFFERENT = "different"
    ABANDONED = "abandoned"


UNDER_WAY = (RebuildStatus.REQUESTED, RebuildStatus.RUNNING)


def compared(share: RebuildShare) -> str:
    """Say what the reader has of one owner, and each way in which that is not what the owner sent."""
    if share.expected_aggregates is None:
        return "has not said what it sent"
    faults = []
    if share.applied_aggregates != share.expected_aggregates:
        faults.append(f"{share.applied_aggregates} of {share.expected_aggregates} aggregates were applied")
    elif share.applied_checksum != share.expected_checksum:
        faults.append("some aggregates are not at their newest version")
    if share.not_handled:
        faults.append(f"{share.not_handled} stood at a newer version than their owner has")
    if share.unknown_to_owner:
        faults.append(f"{share.unknown_to_owner} the owner's history no longer knows")
    return "; ".join(faults) or f"equal, {share.applied_aggregates} aggregates"
