"""The whole story, as an app tells it: sign up, enrol, pay, renew, refund, cancel."""

from __future__ import annotations

import subprocess
import uuid
from datetime import datetime, timezone

import dues
import pytest
from dues.membership.v1 import invoice_pb2, membership_pb2, membership_service_pb2
from dues.payment.v1 import refund_pb2

PASSWORD = "correct horse battery staple"


def day(year, month, day):
    return datetime(year, month, day, 12, tzinfo=timezone.utc)


def make_key_and_request() -> tuple[str, str]:
    key = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True, capture_output=True, text=True,
    ).stdout
    request = subprocess.run(
        ["openssl", "req", "-new", "-key", "/dev/stdin", "-subj", "/CN=phone"],
        input=key, check=True, capture_output=True, text=True,
    ).stdout
    return key, request


@pytest.fixture
def clock(service):
    return service.sandbox.create_test_clock(test_clock={"clock_time": day(2026, 1, 31)})


@pytest.fixture
def phone(server, app, clock):
    """A logged-in user on an enrolled phone, living in the clock's time."""
    email = f"ada-{uuid.uuid4().hex[:12]}@example.com"
    signed_up = app.auth.sign_up(
        email=email, password=PASSWORD, display_name="Ada", test_clock=clock.name
    )
    app.token = signed_up.session.access_token
    key, request = make_key_and_request()
    device = app.auth.enroll_device(csr_pem=request, display_name="phone")
    client = dues.Client(
        server.target,
        ca=server.certs / "ca.pem",
        certificate=device.certificate_pem + device.certificate_chain_pem,
        key=key,
    )
    session = client.auth.refresh_session(refresh_token=signed_up.session.refresh_token)
    client.token = session.access_token
    client.customer = signed_up.customer
    client.email = email
    with client:
        yield client


def is_allowed(service, customer):
    reply = service.membership.check_entitlement(customer=customer, entitlement="video.hd")
    return reply.allowed, membership_service_pb2.CheckEntitlementResponse.Cause.Name(reply.cause)


def test_a_member_for_two_months(service, phone, clock):
    assert phone.auth.get_user(name="users/me").email == phone.email
    assert is_allowed(service, phone.customer) == (False, "CAUSE_NO_MEMBERSHIP")

    card = phone.payment.create_payment_method(
        parent="customers/me",
        payment_method={
            "gateway_token": "tok_visa",
            "mandate": {"type": "TYPE_RECURRING", "text_version": "terms-1"},
        },
    )
    assert card.last4
    membership = phone.membership.create_membership(
        parent="customers/me",
        membership={"plan": "plans/premium-monthly", "payment_method": card.name},
        skip_trial=True,
    )
    assert membership.state == membership_pb2.Membership.STATE_ACTIVE
    assert membership.current_period_end_time.ToDatetime(timezone.utc) == day(2026, 2, 28)
    assert is_allowed(service, phone.customer) == (True, "CAUSE_GRANTED_BY_TIER")

    service.sandbox.advance_test_clock(
        name=clock.name, target_time=day(2026, 3, 1), timeout=60
    )
    invoices = list(service.membership.list_invoices(parent=phone.customer))
    assert [invoice.number for invoice in invoices] == ["2", "1"]
    assert {invoice.state for invoice in invoices} == {invoice_pb2.Invoice.STATE_PAID}

    refund = service.payment.create_refund(parent=invoices[0].payment)
    assert refund.state == refund_pb2.Refund.STATE_SUCCEEDED
    assert refund.amount.minor_units == 999

    phone.token = phone.auth.log_in(email=phone.email, password=PASSWORD).access_token
    canceled = phone.membership.cancel_membership(name=membership.name)
    assert canceled.cancel_at_period_end
    assert is_allowed(service, phone.customer)[0]

    service.sandbox.advance_test_clock(
        name=clock.name, target_time=day(2026, 4, 1), timeout=60
    )
    assert is_allowed(service, phone.customer) == (False, "CAUSE_CANCELED")
    assert len(list(service.membership.list_invoices(parent=phone.customer))) == 2


def test_a_token_is_worth_nothing_elsewhere(app, phone):
    with pytest.raises(dues.DuesError) as caught:
        app.auth.get_user(name="users/me", token=phone.token)
    assert caught.value.reason == "TOKEN_WRONG_CERTIFICATE"


def test_a_user_sees_nothing_of_others(phone, customer):
    with pytest.raises(dues.DuesError) as caught:
        list(phone.payment.list_payments(parent=customer.name))
    assert caught.value.reason == "CUSTOMER_NOT_FOUND"
