"""What catalog's API takes and gives."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StrictFloat, StrictInt, StrictStr, StringConstraints

from threadly_chassis.http import MoneyView, RequestModel, ResponseModel
from threadly_contracts.catalog import Condition, ProductState, ProductStatus

from ..domain.categories import Branch, Category
from ..domain.images import Image
from ..storage.product_lists import Card
from ..storage.sellers import Seller
from ..use_cases.get_product import ProductDetails, Related
from ..use_cases.get_product_stats import CategoryStats, ProductStats
from ..use_cases.list_products import ProductPage

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


class CategoryView(ResponseModel):
    """A category by itself."""

    id: UUID
    parent_id: UUID | None
    name: str
    slug: str
    position: int
    active: bool
    version: int

    @classmethod
    def of(cls, category: Category) -> Self:
        """Show a category."""
        return cls(
            id=category.category_id,
            parent_id=category.parent_id,
            name=category.name,
            slug=category.slug,
            position=category.position,
            active=category.active,
            version=category.version,
        )


class CategoryBranch(CategoryView):
    """A category in the tree; `listed_products` counts its whole branch."""

    listed_products: int = 0
    children: tuple["CategoryBranch", ...] = ()

    @classmethod
    def grown(cls, branch: Branch) -> "CategoryBranch":
        """Show a branch."""
        shown = cls.of(branch.category)
        children = tuple(cls.grown(child) for child in branch.children)
        return shown.model_copy(update={"listed_products": branch.listed, "children": children})


class CategoryTree(ResponseModel):
    """All of it: a tree has no pages."""

    data: list[CategoryBranch]


class SellerView(ResponseModel):
    """A seller's public name and picture."""

    id: UUID
    name: str
    picture: str | None

    @classmethod
    def of(cls, user_id: UUID, seller: Seller | None) -> Self:
        """Show a seller; one whom auth has not yet named has no name."""
        return cls(id=user_id, name=seller.name if seller else "", picture=seller.picture if seller else None)


class ImageView(ResponseModel):
    """A picture; position 0 comes first."""

    url: str
    alt: str | None
    position: int
    width: int | None = None
    height: int | None = None


class ProductCard(ResponseModel):
    """A product as lists show it: its seller and its first image included (R-PERF-06)."""

    id: UUID
    version: int
    title: str
    price: MoneyView
    status: ProductStatus
    condition: Condition
    size: str | None
    brand: str | None
    category_id: UUID
    image: ImageView | None
    seller: SellerView
    created_at: datetime

    @classmethod
    def of(cls, card: Card, sellers: dict[UUID, Seller]) -> Self:
        """Show a card."""
        image = ImageView(url=card.image_url, alt=card.image_alt, position=0) if card.image_url else None
        return cls(
            id=card.product_id,
            version=card.version,
            title=card.title,
            price=MoneyView.of(card.price_minor, card.currency),
            status=card.status,
            condition=card.condition,
            size=card.size,
            brand=card.brand,
            category_id=card.category_id,
            image=image,
            seller=SellerView.of(card.seller_id, sellers.get(card.seller_id)),
            created_at=card.created_at,
        )


class ProductList(ResponseModel):
    """A page of products, newest first."""

    data: list[ProductCard]
    next_cursor: str | None = None

    @classmethod
    def of(cls, page: ProductPage) -> Self:
        """Show a page."""
        return cls(
            data=[ProductCard.of(card, page.sellers) for card in page.cards], next_cursor=page.next_cursor
        )


class RelatedView(ResponseModel):
    """What else a viewer may like."""

    similar_products: list[ProductCard]

    @classmethod
    def of(cls, related: Related) -> Self:
        """Show what is related."""
        return cls(similar_products=[ProductCard.of(card, related.sellers) for card in related.similar])


class ProductView(ResponseModel):
    """A whole product; relations are null unless `expand` asks for them (R-CAT-07)."""

    id: UUID
    version: int
    seller_id: UUID
    category_id: UUID
    status: ProductStatus
    title: str
    """Text that reads the same as HTML: it holds no markup."""
    description: str
    """Sanitised HTML."""
    description_text: str
    price: MoneyView
    original_price: MoneyView | None
    condition: Condition
    size: str | None
    brand: str | None
    color: str | None
    material: str | None
    images: list[ImageView]
    created_at: datetime
    updated_at: datetime
    seller: SellerView | None = None
    category: CategoryView | None = None
    related: RelatedView | None = None

    @classmethod
    def of(cls, product: ProductState, seller: SellerView | None = None) -> Self:
        """Show a product."""
        own = product.model_dump(exclude={"product_id", "price", "original_price", "images"})
        original = product.original_price
        return cls(
            **own,
            id=product.product_id,
            price=MoneyView.of(product.price.amount_minor, product.price.currency),
            original_price=MoneyView.of(original.amount_minor, original.currency) if original else None,
            images=[ImageView.model_validate(image) for image in product.images],
            seller=seller,
        )

    @classmethod
    def detailed(cls, details: ProductDetails) -> Self:
        """Show a product with its relations."""
        seller, product = details.seller, details.product
        return cls.of(product).model_copy(
            update={
                "seller": SellerView.of(product.seller_id, seller) if seller else None,
                "category": CategoryView.of(details.category) if details.category else None,
                "related": RelatedView.of(details.related) if details.related else None,
            }
        )


class ProductBatch(ResponseModel):
    """One entry per id asked for, in that order; null where there is no such product."""

    data: list[ProductView | None]


class StatsView(ResponseModel):
    """Figures over what is listed; `avg_price` is over the default currency."""

    total_products: int
    avg_price: MoneyView | None
    category_stats: list[CategoryStats]
    counted_at: datetime

    @classmethod
    def of(cls, stats: ProductStats, currency: str) -> Self:
        """Show the figures."""
        average = stats.avg_price_minor
        return cls(
            total_products=stats.total_products,
            avg_price=None if average is None else MoneyView.of(average, currency),
            category_stats=stats.category_stats,
            counted_at=stats.counted_at,
        )
