"""Errors in Stripe's shape: `{"error": {"type", "code", "param", "message", …}}`."""

from typing import Any, Self

Json = dict[str, Any]


class StripeError(Exception):
    """What the client is told. `executed` = the request did run, so the idempotency key keeps this answer.

    Stripe does not keep the answers of requests that failed validation (docs: "Idempotent requests").
    """

    def __init__(  # noqa: PLR0913 - the fields of Stripe's error object
        self,
        message: str,
        *,
        status: int = 400,
        error_type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        executed: bool = False,
        extra: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.error_type = error_type
        self.code = code
        self.param = param
        self.decline_code = decline_code
        self.executed = executed
        self.extra = extra or {}

    def body(self) -> Json:
        error: Json = {"message": self.message, "type": self.error_type}
        for key in ("code", "param", "decline_code"):
            if (value := getattr(self, key)) is not None:
                error[key] = value
        if self.code is not None:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": error | self.extra}

    @classmethod
    def missing_resource(cls, noun: str, resource_id: str, param: str = "id") -> Self:
        return cls(f"No such {noun}: '{resource_id}'", status=404, code="resource_missing", param=param)

    @classmethod
    def missing_param(cls, name: str) -> Self:
        return cls(f"Missing required param: {name}.", code="parameter_missing", param=name)

    @classmethod
    def unexpected_state(cls, message: str, intent: Json) -> Self:
        """A PaymentIntent, carried in the error, is not in a state that allows the request."""
        extra = {"payment_intent": intent}
        return cls(message, code="payment_intent_unexpected_state", executed=True, extra=extra)


def unrecognized_url(method: str, path: str) -> StripeError:
    message = (
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the "
        "trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) "
        "identifier in your code."
    )
    return StripeError(message, status=404)
