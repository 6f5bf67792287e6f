"""Values as they look on the wire; the only shapes that owners share."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from .event import Payload

#: ISO 4217, upper case.
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


def _in_utc(moment: datetime) -> datetime:
    if moment.utcoffset():
        msg = "times are UTC"
        raise ValueError(msg)
    return moment


#: RFC 3339, always UTC.
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Money(Payload):
    """An amount of money: an integer count of the currency's minor unit, and the currency."""

    amount_minor: Annotated[int, Field(ge=0)]
    currency: Currency


class NotificationType(StrEnum):
    """What a notice is about (flows RT-23)."""

    ORDER = "ORDER"
    MESSAGE = "MESSAGE"
    PAYMENT = "PAYMENT"
    SYSTEM = "SYSTEM"
    PROMOTION = "PROMOTION"
    FOLLOW = "FOLLOW"
    REVIEW = "REVIEW"
    PRICE_DROP = "PRICE_DROP"
