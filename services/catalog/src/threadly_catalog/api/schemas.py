"""What catalog's API takes."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StrictFloat, StrictInt, StrictStr, StringConstraints

from threadly_chassis.http import RequestModel
from threadly_contracts.catalog import Condition, ProductStatus

from ..domain.images import Image

#: Far over every rule of domain/listing.py, which counts what is left after cleaning: only a guard.
_Raw = Annotated[str, StringConstraints(max_length=20_000)]
_Short = Annotated[str, StringConstraints(max_length=1_000)]
_Price = Annotated[
    StrictStr | StrictInt | StrictFloat, Field(description="`25`, `25.5` or `25.50`, as text or number")
]
_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
_Position = Annotated[int, Field(ge=0, le=1_000_000)]


class ImageInput(RequestModel):
    """A picture with the words that stand for it."""

    url: _Raw
    alt: _Short | None = None


def _images(given: Iterable[str | ImageInput]) -> list[Image]:
    return [Image(one) if isinstance(one, str) else Image(one.url, one.alt) for one in given]


def _without_defaults(schema: dict[str, Any]) -> None:
    for described in schema["properties"].values():
        described.pop("default", None)


class _Fields(RequestModel):
    def given(self) -> dict[str, Any]:
        """The fields that were sent, as the domain's cleaners take them."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        if "images" in fields:
            fields["images"] = _images(fields["images"])
        return fields


class RawProductInput(_Fields):
    """What a seller typed (R-CAT-02)."""

    title: _Raw
    description: _Raw
    price: _Price
    category_id: UUID
    images: Annotated[tuple[_Raw | ImageInput, ...], Field(max_length=50)]
    condition: Condition
    currency: _Short | None = None
    size: _Short | None = None
    brand: _Short | None = None
    color: _Short | None = None
    material: _Short | None = None
    original_price: _Price | None = None


class ProductChanges(_Fields):
    """What is to be different; what is left out stays. `null` empties an optional field."""

    # The defaults are never read, since only fields that were sent count; the reference does not show them.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    title: _Raw = ""
    description: _Raw = ""
    price: _Price = 0
    category_id: UUID = UUID(int=0)
    images: Annotated[tuple[_Raw | ImageInput, ...], Field(max_length=50)] = ()
    condition: Condition = Condition.GOOD
    size: _Short | None = None
    brand: _Short | None = None
    color: _Short | None = None
    material: _Short | None = None
    original_price: _Price | None = None
    status: Literal[ProductStatus.AVAILABLE, ProductStatus.REMOVED] = ProductStatus.AVAILABLE
    """A seller withdraws and relists; the rest of the lifecycle is not theirs (E064)."""


class ListParameters(RequestModel):
    """Which page of which list."""

    category_id: UUID | None = None
    seller_id: UUID | None = None
    cursor: Annotated[str, StringConstraints(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class NewCategoryInput(RequestModel):
    """A category to make; without a slug, the name makes one."""

    name: _Short
    slug: _Slug | None = None
    parent_id: UUID | None = None
    position: _Position = 0
    active: bool = True


class CategoryChanges(_Fields):
    """What is to be different; `parent_id: null` makes it a root."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: _Short = ""
    slug: _Slug = ""
    parent_id: UUID | None = None
    position: _Position = 0
    active: bool = True
