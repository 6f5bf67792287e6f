"""Give one buyer the item, or say by name why not."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from threadly_chassis.db import Transaction
from threadly_chassis.ids import new_id
from threadly_chassis.money import format_money, parse_price
from threadly_contracts import Money
from threadly_contracts.catalog import ProductStatus
from threadly_contracts.orders import CheckoutStarted

from ..domain.charges import charge_amount
from ..domain.checkout import CheckoutStatus
from ..domain.errors import ItemReserved, ItemSold, ItemUnavailable, OwnItem, PriceChanged
from ..storage import checkouts, products
from ..storage.tables import Checkout, Product


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCheckout:
    """A buyer wants an item; `expected_price` is what they were shown, in the item's currency."""

    buyer_id: UUID
    product_id: UUID
    expected_price: str | int | Decimal | None
    idempotency_key: str

    @property
    def request_hash(self) -> bytes:
        """Tells this request from another one with the same key (E005)."""
        return sha256(f"{self.product_id} {self.expected_price}".encode()).digest()


async def reserve_item(
    wanted: StartCheckout, *, tx: Transaction, now: datetime, lifetime: timedelta
) -> tuple[Checkout, bool]:
    """Return the buyer's checkout of the item, and whether it was begun just now.

    The same key, or a second tab, gets the same checkout (E004). Raises `ItemReserved`, `ItemSold`,
    `ItemUnavailable`, `OwnItem`, `PriceChanged`, `AmountNotChargeable` and `IdempotencyKeyReused`.
    """
    known = await checkouts.claim_key(
        tx.session, wanted.buyer_id, wanted.idempotency_key, wanted.request_hash, now
    )
    if known is not None and (before := await checkouts.find(tx.session, known)):
        return before, False
    product = await products.hold(tx.session, wanted.product_id)
    checkout = await _own_live_checkout(wanted, tx, now)
    is_new = checkout is None
    if checkout is None:
        checkout = _new_checkout(_buyable(product, wanted), wanted.buyer_id, now, lifetime)
        if not await checkouts.reserve(tx.session, checkout):
            # A rival, or this buyer's other tab, was faster by milliseconds; its checkout can be seen now.
            checkout, is_new = await _own_live_checkout(wanted, tx, now), False
    if checkout is None:
        raise ItemReserved("Somebody was faster.", retry_after=1)
    await checkouts.keep_key(tx.session, wanted.buyer_id, wanted.idempotency_key, checkout.id)
    if is_new:
        await tx.publish(_started(checkout), version=checkout.version)
    return checkout, is_new


async def _own_live_checkout(wanted: StartCheckout, tx: Transaction, now: datetime) -> Checkout | None:
    """The buyer's own open checkout of the item, if any; raises when somebody else has the item.

    Orders' own index is the authority: the copy's RESERVED is the echo of a checkout, perhaps of one that is
    over, and its AVAILABLE may be older than a sale (E037).
    """
    live = await checkouts.live_on(tx.session, wanted.product_id)
    if live is None:
        return None
    if live.status is CheckoutStatus.COMPLETED:
        raise ItemSold
    if live.buyer_id == wanted.buyer_id:
        return live
    seconds = max(1, int((live.expires_at - now).total_seconds()))
    raise ItemReserved(
        "It may become free when the other buyer's time is up.",
        retry_after=seconds,
        available_again_at=live.expires_at.isoformat(),
    )


def _buyable(product: Product | None, wanted: StartCheckout) -> Product:
    if product is None or product.status is ProductStatus.REMOVED:
        raise ItemUnavailable
    if product.status is ProductStatus.SOLD:
        raise ItemSold
    if product.seller_id == wanted.buyer_id:
        raise OwnItem
    _check_price(product.price, wanted.expected_price)
    charge_amount(product.price)
    return product


def _check_price(price: Money, expected: str | int | Decimal | None) -> None:
    if expected is None or parse_price(expected, price.currency) == price.amount_minor:
        return
    written = format_money(price.amount_minor, price.currency)
    raise PriceChanged(
        f"It is {written} now.", current_price={**price.model_dump(mode="json"), "formatted": written}
    )


def _new_checkout(product: Product, buyer_id: UUID, now: datetime, lifetime: timedelta) -> Checkout:
    return Checkout(
        id=new_id(),
        version=1,
        status=CheckoutStatus.OPEN,
        product_id=product.id,
        product_version=product.version,
        product_title=product.title,
        buyer_id=buyer_id,
        seller_id=product.seller_id,
        amount_minor=product.amount_minor,
        currency=product.currency,
        started_at=now,
        expires_at=now + lifetime,
    )


def _started(checkout: Checkout) -> CheckoutStarted:
    return CheckoutStarted(
        checkout_id=checkout.id,
        product_id=checkout.product_id,
        product_version=checkout.product_version,
        buyer_id=checkout.buyer_id,
        seller_id=checkout.seller_id,
        amount=checkout.price,
        started_at=checkout.started_at,
        expires_at=checkout.expires_at,
    )
