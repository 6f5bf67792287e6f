"""Why a payment failed, in words that a buyer can act on.

After https://docs.stripe.com/declines/codes. Lost, stolen and suspected cards get the general words, as
Stripe asks: the real reason would help a thief.
"""

_GENERAL = "Your card was declined. Try another card, or ask your bank why."
_DETAILS = "Some card details are wrong. Check them and try again."
_LATER = "Your bank could not be reached. Try again in a few minutes, or use another card."
_CALL = "Your bank wants to hear from you before it allows this payment. Call it, or use another card."
_UNSUPPORTED = "Your card cannot be used for this kind of purchase or currency. Use another card."
_CONFIRM = "Your bank did not get your confirmation of this payment. Try again and confirm it with your bank."

_WORDS = {
    "approve_with_id": _LATER,
    "authentication_required": _CONFIRM,
    "call_issuer": _CALL,
    "card_not_supported": _UNSUPPORTED,
    "card_velocity_exceeded": "Your card has reached its limit. Use another card, or ask your bank.",
    "currency_not_supported": _UNSUPPORTED,
    "do_not_honor": _CALL,
    "duplicate_transaction": "The same amount was just paid with this card. Check before you pay again.",
    "expired_card": "Your card has expired. Use another card.",
    "incorrect_address": _DETAILS,
    "incorrect_cvc": "The card's security code is wrong. Check it and try again.",
    "incorrect_number": "The card number is wrong. Check it and try again.",
    "incorrect_zip": _DETAILS,
    "insufficient_funds": "There is not enough money on this card. Use another card.",
    "invalid_account": _CALL,
    "invalid_amount": _CALL,
    "invalid_cvc": "The card's security code is wrong. Check it and try again.",
    "invalid_expiry_month": "The card's expiry date is wrong. Check it and try again.",
    "invalid_expiry_year": "The card's expiry date is wrong. Check it and try again.",
    "invalid_number": "The card number is wrong. Check it and try again.",
    "issuer_not_available": _LATER,
    "new_account_information_available": _CALL,
    "no_action_taken": _CALL,
    "not_permitted": _CALL,
    "payment_intent_authentication_failure": _CONFIRM,
    "processing_error": _LATER,
    "reenter_transaction": _LATER,
    "try_again_later": _LATER,
    "withdrawal_count_limit_exceeded": "Your card has reached its limit. Use another card, or ask your bank.",
}


def in_human_words(code: str) -> str:
    """What the buyer is told about a decline or error code of Stripe's."""
    return _WORDS.get(code, _GENERAL)
