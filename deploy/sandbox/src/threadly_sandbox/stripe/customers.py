"""Customers, as much of them as paying needs."""

from ..documents import Json
from .account import now
from .ids import new_id
from .operations import Call, deleted, equal
from .params import ListParams, Metadata, Params, Text, merged_metadata


class WriteCustomer(Params):
    description: Text = None
    email: Text = None
    metadata: Metadata | None = None
    name: Text = None
    phone: Text = None


class ListCustomers(ListParams):
    email: str | None = None


def create(call: Call) -> Json:
    params = call.read(WriteCustomer)
    customer: Json = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.description,
        "discount": None,
        "email": params.email,
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None},
        "livemode": False,
        "metadata": merged_metadata({}, params.metadata),
        "name": params.name,
        "phone": params.phone,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
    }
    call.account.save(customer)
    call.account.emit("customer.created", customer)
    return call.answer(customer, params)


def update(call: Call) -> Json:
    params = call.read(WriteCustomer)
    customer = call.account.load("customer", call.path["id"])
    before = dict(customer)
    customer |= params.given("metadata")
    customer["metadata"] = merged_metadata(customer["metadata"], params.metadata)
    call.account.save(customer)
    call.account.emit("customer.updated", customer, before)
    return call.answer(customer, params)


def delete(call: Call) -> Json:
    customer = call.account.load("customer", call.path["id"])
    call.account.documents.delete("customer", customer["id"])
    call.account.emit("customer.deleted", customer)
    return deleted(customer)


def list_all(call: Call) -> Json:
    params = call.read(ListCustomers)
    return call.page("customer", params, *equal(email=params.email))
