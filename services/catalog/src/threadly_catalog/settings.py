"""What catalog is told by its environment."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from threadly_chassis.settings import CommaList, ServiceSettings


class CatalogSettings(ServiceSettings):
    """Catalog's settings, each `THREADLY_CATALOG_<NAME>`."""

    service: ClassVar[str] = "catalog"

    default_currency: str = "EUR"
    """Of a price that names none, and of the average in the stats."""
    currencies: CommaList = (
        "EUR",
        "USD",
        "GBP",
        "CHF",
        "CZK",
        "DKK",
        "HUF",
        "JPY",
        "NOK",
        "PLN",
        "RON",
        "SEK",
    )
    """ISO 4217 codes that a price may be in."""
    image_hosts: CommaList = ("images.unsplash.com", "ufs.sh", "utfs.io")
    """Where pictures may live: each name and its subdomains, over https. The public URL may always."""
    listings_per_minute: Annotated[int, Field(ge=1)] = 120
    """How many products one seller may list in a minute (E071)."""
    hold_grace: timedelta = timedelta(minutes=5)
    """How long past its end a checkout keeps an item when nobody has said that it ended: orders says so
    within a minute, this is for the day on which it never does."""
    ended_checkouts_kept: timedelta = timedelta(days=30)
    """How long an ended checkout is remembered, so that its late start reserves nothing."""
