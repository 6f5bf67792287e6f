"""Every way in which catalog says no.

::

    Invalid    FieldInvalid, CategoryNotUsable, CategoryLoop
    Forbidden  NotYourItem
    NotFound   ProductNotFound, CategoryNotFound
    Conflict   ItemFrozen, SlugTaken
    PreconditionFailed  VersionOutdated
    TooManyRequests     ListingTooFast
    Permanent  UnknownProduct, SoldTwice   (messages that no later try can apply)
"""

from typing import Self

from threadly_chassis.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Permanent,
    PreconditionFailed,
    TooManyRequests,
)


class FieldInvalid(Invalid):
    """A field breaks one of catalog's rules; looks like the chassis' own validation problem."""

    code = "invalid"

    @classmethod
    def of(cls, field: str, message: str) -> Self:
        """Name the field and what is wrong with it."""
        return cls(message, errors=[{"field": field, "message": message}])


class CategoryNotUsable(Invalid):
    """The category is not there or closed (E062)."""

    code = "category_not_usable"
    title = "Nothing can be listed in this category"


class CategoryLoop(Invalid):
    """A category cannot hang below itself."""

    code = "category_loop"
    title = "A category cannot be its own ancestor"


class NotYourItem(Forbidden):
    """Only its seller may change an item (E067)."""

    code = "not_your_item"
    title = "This item is somebody else's"


class ProductNotFound(NotFound):
    code = "product_not_found"
    title = "There is no such item"


class CategoryNotFound(NotFound):
    code = "category_not_found"
    title = "There is no such category"


class ItemFrozen(Conflict):
    """The item is being bought, or has been (E010, E065)."""

    code = "item_frozen"
    title = "This item cannot be changed now"


class SlugTaken(Conflict):
    code = "slug_taken"
    title = "Another category has this address"


class VersionOutdated(PreconditionFailed):
    """Somebody else changed it first."""

    code = "version_outdated"


class ListingTooFast(TooManyRequests):
    """One seller lists more products in a minute than the setting allows (E071)."""

    code = "listing_too_fast"
    title = "You are listing very fast"


class UnknownProduct(Permanent):
    """A checkout or an order of a product that was never here."""

    code = "unknown_product"


class SoldTwice(Permanent):
    """A second order for an item that is already sold; orders' own index should make it impossible."""

    code = "sold_twice"
