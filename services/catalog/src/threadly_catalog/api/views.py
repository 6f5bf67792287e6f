"""What catalog's API gives."""

from datetime import datetime
from typing import Self
from uuid import UUID

from threadly_chassis.http import MoneyView, ResponseModel
from threadly_contracts.catalog import Condition, ProductState, ProductStatus

from ..domain.categories import Branch, Category
from ..storage.product_lists import Card
from ..storage.sellers import Seller
from ..use_cases.get_product import ProductDetails, Related
from ..use_cases.get_product_stats import CategoryStats, ProductStats
from ..use_cases.list_products import ProductPage


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
