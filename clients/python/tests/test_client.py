"""The client against a real server."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import dues
import grpc
import pytest
from dues.payment.v1 import payment_pb2, payment_service_pb2

MONTHLY = "plans/premium-monthly"


def amount(minor_units):
    return {"currency_code": "USD", "minor_units": minor_units}


def test_reads_the_catalogue_with_an_app_certificate(app):
    plans = {plan.name: plan for plan in app.membership.list_plans()}
    assert plans[MONTHLY].price.minor_units == 999


def test_charges_a_card(service, customer, card):
    payment = service.payment.create_payment(
        parent=customer.name, payment={"amount": amount(500), "payment_method": card.name}
    )
    assert payment.state == payment_pb2.Payment.STATE_SUCCEEDED
    assert payment.amount_captured.minor_units == 500


def test_takes_a_request_message_as_well(service, customer, card):
    request = payment_service_pb2.CreatePaymentRequest(
        parent=customer.name, payment={"amount": amount(500), "payment_method": card.name}
    )
    payment = service.payment.create_payment(request)
    assert payment.state == payment_pb2.Payment.STATE_SUCCEEDED
    assert request.request_id == ""  # the caller's message is left alone
    with pytest.raises(TypeError):
        service.payment.create_payment(request, parent="customers/me")


@pytest.mark.parametrize(
    "fields, error, text",
    [
        ({"parent": 5}, TypeError, "parent must be str, not int"),
        (
            {"payment": {"amount": {"minor_units": 9.99}}},
            TypeError,
            "payment.amount.minor_units must be int, not float",
        ),
        ({"payment": {"amount": 5}}, TypeError, "payment.amount must be a dict or Money, not int"),
        (
            {"payment": {"amount": {"minor_units": 2**63}}},
            ValueError,
            "payment.amount.minor_units: Value out of range",
        ),
        ({"payment": {"price": 1}}, ValueError, "there is no field payment.price"),
        ({"paymnet": {}}, ValueError, "there is no field paymnet"),
    ],
)
def test_names_the_field_that_cannot_be_set(service, fields, error, text):
    with pytest.raises(error, match=f"^{text}"):
        service.payment.create_payment(**fields)


def test_a_decline_is_an_answer(service, customer):
    card = service.payment.create_payment_method(
        parent=customer.name, payment_method={"gateway_token": "tok_chargeDeclined"}
    )
    payment = service.payment.create_payment(
        parent=customer.name, payment={"amount": amount(500), "payment_method": card.name}
    )
    assert payment.state == payment_pb2.Payment.STATE_FAILED
    assert payment.decline.customer_message


def test_the_same_request_id_gives_the_first_answer_again(service, customer, card):
    request = dict(
        parent=customer.name,
        payment={"amount": amount(700), "payment_method": card.name},
        request_id=uuid.uuid4().hex,
    )
    first_info, second_info = dues.CallInfo(), dues.CallInfo()
    first = service.payment.create_payment(**request, info=first_info)
    second = service.payment.create_payment(**request, info=second_info)
    assert first == second
    assert (first_info.replayed, second_info.replayed) == (False, True)
    assert second_info.request_id == request["request_id"]


def test_the_same_request_id_for_another_request_is_an_error(service, customer, card):
    request = dict(parent=customer.name, request_id=uuid.uuid4().hex)
    service.payment.create_payment(
        **request, payment={"amount": amount(700), "payment_method": card.name}
    )
    with pytest.raises(dues.DuesError) as caught:
        service.payment.create_payment(
            **request, payment={"amount": amount(701), "payment_method": card.name}
        )
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert caught.value.request_id == request["request_id"]


def test_one_request_id_sent_by_many_threads_is_charged_once(service, customer, card):
    request_id = uuid.uuid4().hex

    def pay(_):
        return service.payment.create_payment(
            parent=customer.name,
            payment={"amount": amount(900), "payment_method": card.name},
            request_id=request_id,
            timeout=30,
        ).name

    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(pay, range(8)))
    assert len(names) == 1
    assert len(list(service.payment.list_payments(parent=customer.name))) == 1


def test_an_error_names_the_fields(service, customer):
    with pytest.raises(dues.DuesError) as caught:
        service.payment.create_payment(parent=customer.name, payment={"amount": amount(-1)})
    error = caught.value
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.domain) == ("INVALID_FIELD", "dues")
    fields = {field.field: field.description for field in error.fields}
    assert "payment.amount.minor_units" in fields
    assert "payment.payment_method" in fields
    assert error.request_trace
    assert "payment.amount.minor_units" in str(error)


def test_what_is_not_there_is_not_found(service, customer):
    with pytest.raises(dues.DuesError) as caught:
        service.payment.get_payment(name=f"{customer.name}/payments/{uuid.uuid4()}")
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert caught.value.reason == "PAYMENT_NOT_FOUND"


def test_a_certificate_of_another_kind_is_refused(app, customer):
    with pytest.raises(dues.DuesError) as caught:
        app.payment.list_payments(parent=customer.name).pages().__next__()
    assert caught.value.code in (
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    )


def test_lists_are_fetched_page_by_page(service, customer, card):
    made = [
        service.payment.create_payment(
            parent=customer.name, payment={"amount": amount(100 + i), "payment_method": card.name}
        ).name
        for i in range(3)
    ]
    listed = service.payment.list_payments(parent=customer.name, page_size=2)
    assert [payment.name for payment in listed] == made[::-1]
    pages = [len(page.payments) for page in listed.pages()]
    assert pages == [2, 1]


def test_without_a_certificate_there_is_no_answer(server, service):
    other = dues.Client(
        server.target,
        ca=server.certs / "ca.pem",
        certificate=server.certs / "ca.pem",
        key=server.certs / "ca.key",
        timeout=3,
    )
    with other, pytest.raises(dues.DuesError) as caught:
        list(other.membership.list_plans())
    assert caught.value.code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNAUTHENTICATED,
    )
