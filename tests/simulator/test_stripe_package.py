#!/usr/bin/env python3
"""A client that nobody here wrote: the official stripe package drives the simulator through a customer, a card, a payment,
3-D Secure, a refund and a dispute, and checks the webhooks by its own rules.  77 where the package could not be installed."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

try:
    import stripe
except ImportError:
    own = os.path.join(os.environ.get("DUES_TOOLS", ""), "stripe-python", "bin", "python")
    if os.path.exists(own) and os.path.abspath(sys.executable) != own and not os.environ.get("DUES_STRIPE_TRIED"):
        os.environ["DUES_STRIPE_TRIED"] = "1"
        os.execv(own, [own, "-B", *sys.argv])
    print("SKIPPED the official stripe package: it is not in build/tools/stripe-python (scripts/test installs it from PyPI)")
    sys.exit(77)

from simulator import KEY, SECRET, Receiver, Simulator, run, wait_for  # noqa: E402

receiver = Receiver()
simulator = Simulator(webhook_url=receiver.url)
stripe.ca_bundle_path = simulator.certificate
client = stripe.StripeClient(KEY, base_addresses={"api": simulator.url}, max_network_retries=0,
                             http_client=stripe.RequestsClient(timeout=20))
v1 = client.v1


def saved_card(number="4242424242424242"):
    customer = v1.customers.create({"email": "ada@example.com", "name": "Ada", "metadata": {"dues": "1"}})
    method = v1.payment_methods.create({"type": "card", "card": {"number": number, "exp_month": 8, "exp_year": 2034, "cvc": "314"}})
    v1.payment_methods.attach(method.id, {"customer": customer.id})
    return customer, method


def pay(customer, method, **more):
    return v1.payment_intents.create({"amount": 1999, "currency": "eur", "customer": customer.id, "payment_method": method.id,
                                      "confirm": True, **more})


def a_customer_and_a_card():
    customer, method = saved_card()
    assert v1.customers.retrieve(customer.id).email == "ada@example.com"
    assert v1.customers.update(customer.id, {"name": "Ada L."}).name == "Ada L."
    assert method.card.brand == "visa" and method.card.last4 == "4242" and method.livemode is False
    assert [m.id for m in v1.customers.payment_methods.list(customer.id).data] == [method.id]
    updated = v1.payment_methods.update(method.id, {"card": {"exp_year": 2040}, "billing_details": {"name": "Ada"}})
    assert updated.card.exp_year == 2040 and updated.billing_details.name == "Ada"


def a_payment_with_its_fee():
    customer, method = saved_card()
    intent = pay(customer, method, capture_method="automatic", metadata={"attempt_id": "a-1"},
                 expand=["latest_charge.balance_transaction", "payment_method"])
    assert intent.status == "succeeded" and intent.latest_charge.balance_transaction.fee == 88
    assert intent.payment_method.id == method.id and intent.amount_received == 1999
    found = v1.payment_intents.search({"query": "metadata['attempt_id']:'a-1'"})
    assert [i.id for i in found.auto_paging_iter()] == [intent.id]


def a_decline_is_a_card_error():
    customer, method = saved_card("4000000000000341")
    try:
        pay(customer, method, off_session=True)
        raise AssertionError("it was approved")
    except stripe.CardError as error:
        assert (error.code, error.error.decline_code, error.http_status) == ("card_declined", "generic_decline", 402)
        assert error.error.payment_intent["status"] == "requires_payment_method" and error.request_id.startswith("req_")


def money_is_held_captured_and_released():
    customer, method = saved_card()
    held = pay(customer, method, capture_method="manual")
    assert held.status == "requires_capture"
    assert v1.payment_intents.capture(held.id, {"amount_to_capture": 500}).amount_received == 500
    void = pay(customer, method, capture_method="manual")
    assert v1.payment_intents.cancel(void.id).status == "canceled"


def three_d_secure_and_a_method_kept_for_later():
    customer, method = saved_card("4000002500003155")
    setup = v1.setup_intents.create({"customer": customer.id, "payment_method": method.id, "confirm": True,
                                     "automatic_payment_methods": {"enabled": True}, "return_url": "https://shop.example/"})
    assert setup.status == "requires_action" and setup.next_action.redirect_to_url.url.startswith(simulator.url)
    simulator.challenge(setup)
    assert v1.setup_intents.retrieve(setup.id).status == "succeeded"
    assert pay(customer, method, off_session=True).status == "succeeded"
    intent = pay(customer, method)
    assert intent.status == "requires_action" and intent.next_action.type == "use_stripe_sdk"
    simulator.challenge(intent)
    assert v1.payment_intents.retrieve(intent.id).status == "succeeded"


def a_refund_that_fails_later():
    customer, method = saved_card("4000000000005126")
    intent = pay(customer, method)
    refund = v1.refunds.create({"payment_intent": intent.id, "amount": 999, "reason": "requested_by_customer"})
    assert refund.status == "succeeded"
    wait_for(lambda: v1.refunds.retrieve(refund.id).status == "failed")
    assert v1.refunds.list({"payment_intent": intent.id}).data[0].failure_reason == "expired_or_canceled_card"


def a_dispute_that_is_won():
    customer, method = saved_card("4000000000000259")
    intent = pay(customer, method)
    dispute = wait_for(lambda: v1.disputes.list({"payment_intent": intent.id}).data)[0]
    assert dispute.reason == "fraudulent" and dispute.status == "needs_response"
    v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True})
    won = wait_for(lambda: [d for d in [v1.disputes.retrieve(dispute.id)] if d.status == "won"])[0]
    assert sum(t.amount for t in won.balance_transactions) == 0
    assert v1.balance.retrieve().pending[0].currency == "eur"


def a_key_is_replayed_and_guarded():
    customer, method = saved_card()
    params = {"amount": 700, "currency": "eur", "customer": customer.id, "payment_method": method.id, "confirm": True}
    first = v1.payment_intents.create(params, {"idempotency_key": "package-1"})
    again = v1.payment_intents.create(params, {"idempotency_key": "package-1"})
    assert first.id == again.id and again.last_response.headers["Idempotent-Replayed"] == "true"
    try:
        v1.payment_intents.create({**params, "amount": 701}, {"idempotency_key": "package-1"})
        raise AssertionError("other parameters were taken")
    except stripe.IdempotencyError:
        pass


def the_package_retries_what_the_simulator_breaks():
    simulator.control("faults", {"fault": "reset_after", "value": 5, "path": "/v1/payment_intents", "method": "POST"})
    simulator.control("faults", {"fault": "error_503", "path": "/v1/payment_intents", "method": "POST", "skip": 1})
    patient = stripe.StripeClient(KEY, base_addresses={"api": simulator.url}, max_network_retries=4,
                                  http_client=stripe.RequestsClient(timeout=20))
    before = len(v1.payment_intents.list({"limit": 100}).data)
    intent = patient.v1.payment_intents.create({"amount": 800, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True})
    assert intent.status == "succeeded" and len(v1.payment_intents.list({"limit": 100}).data) == before + 1


def its_errors_are_the_packages_errors():
    for call, kind in ((lambda: v1.customers.retrieve("cus_none"), stripe.InvalidRequestError),
                       (lambda: v1.payment_intents.create({"amount": 1, "currency": "usd"}), stripe.InvalidRequestError),
                       (lambda: stripe.StripeClient("sk_test_wrong", base_addresses={"api": simulator.url},
                                                    http_client=stripe.RequestsClient(timeout=20)).v1.balance.retrieve(),
                        stripe.AuthenticationError)):
        try:
            call()
            raise AssertionError("it was taken")
        except kind:
            pass
    simulator.control("faults", {"fault": "too_many_requests"})
    try:
        v1.balance.retrieve()
        raise AssertionError("it was not limited")
    except stripe.RateLimitError:
        pass


def every_webhook_is_genuine_to_the_package():
    wait_for(lambda: len(receiver.got) > 40)
    kinds = set()
    for _, headers, body in list(receiver.got):
        event = stripe.Webhook.construct_event(body.decode(), headers["Stripe-Signature"], SECRET)
        assert v1.events.retrieve(event.id).type == event.type
        kinds.add(event.type)
    assert {"payment_intent.succeeded", "charge.succeeded", "refund.failed", "charge.dispute.closed", "setup_intent.succeeded",
            "payment_method.attached", "customer.created", "payment_intent.payment_failed"} <= kinds, kinds
    try:
        stripe.Webhook.construct_event(receiver.got[0][2].decode() + " ", receiver.got[0][1]["Stripe-Signature"], SECRET)
        raise AssertionError("a changed body was believed")
    except stripe.SignatureVerificationError:
        pass


if __name__ == "__main__":
    print(f"stripe {stripe.VERSION}")
    code = run([a_customer_and_a_card, a_payment_with_its_fee, a_decline_is_a_card_error, money_is_held_captured_and_released,
                three_d_secure_and_a_method_kept_for_later, a_refund_that_fails_later, a_dispute_that_is_won,
                a_key_is_replayed_and_guarded, the_package_retries_what_the_simulator_breaks,
                its_errors_are_the_packages_errors, every_webhook_is_genuine_to_the_package])
    sys.exit(code or simulator.stop())
