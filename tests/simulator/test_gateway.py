#!/usr/bin/env python3
"""What the simulator promises, asked over HTTPS with nothing of ours in between: cards, states, idempotency, faults,
webhooks, and that kill -9 takes nothing that was answered."""

import http.client
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from simulator import KEY, Receiver, Simulator, is_genuine, run, wait_for  # noqa: E402

BROKEN = (http.client.HTTPException, OSError)
simulator = None


def method_of(number, **more):
    return simulator.post("/v1/payment_methods", {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034,
                                                                          "cvc": "123"}, **more})


def decline(answer):
    assert answer.status == 402, answer.text
    error = answer.json["error"]
    return error["code"], error["decline_code"]


def customer():
    return simulator.post("/v1/customers", {"email": "a@example.com"}).json["id"]


# --- cards ---------------------------------------------------------------------------------------------------------

APPROVED = """4242424242424242 4000056655665556 5555555555554444 2223003122003222 5200828282828210 5105105105105100
378282246310005 371449635398431 6011111111111117 6011000990139424 6011981111111113 36259600000004 3530111333300000
4000000000009235 4000000000000101 4000000000000036 4000000000000028 4000000000000010 4000000000000044 4000000000000077
4000003720000278 4000000000003055 4000000000003097 4000000032200000 4000000000000259 4000000000002685 4000000000001976
4000000000005423 4000000404000079 4000000000007726 4000000000005126""".split()

DECLINED = {
    "4000000000000002": ("card_declined", "generic_decline"), "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"), "4000000000009979": ("card_declined", "stolen_card"),
    "4000000000000069": ("expired_card", "expired_card"), "4000000000000127": ("incorrect_cvc", "incorrect_cvc"),
    "4000000000000119": ("processing_error", "processing_error"),
    "4000000000006975": ("card_declined", "card_velocity_exceeded"), "4000000000000341": ("card_declined", "generic_decline"),
    "4100000000000019": ("card_declined", "fraudulent"), "4000000000004954": ("card_declined", "highest_risk_level"),
    "4000008400001280": ("processing_error", "processing_error"),
}

CHALLENGED = """4000002500003155 4000002760003184 4000003800000446 4000008260003178 4000000000003220 4000008400000027
4000008400001629 4000582600000094 4000582600000045 4000582600000102 4000582600000110""".split()


def every_card_that_works_is_charged():
    for number in APPROVED:
        answer = simulator.pay(method_of(number).json["id"])
        assert answer.status == 200 and answer.json["status"] == "succeeded", (number, answer.text)
        assert answer.json["amount_received"] == 1999


def every_declined_card_is_declined_by_its_code_and_the_intent_stays_open():
    for number, wanted in DECLINED.items():
        answer = simulator.pay(method_of(number).json["id"])
        assert decline(answer) == wanted, (number, answer.text)
        intent = answer.json["error"]["payment_intent"]
        again = simulator.get(f"/v1/payment_intents/{intent['id']}").json
        assert again["status"] == "requires_payment_method" and again["amount_received"] == 0, again
        assert again["last_payment_error"]["decline_code"] == wanted[1]
        charge = simulator.get(f"/v1/charges/{again['latest_charge']}").json
        assert charge["status"] == "failed" and not charge["paid"] and charge["balance_transaction"] is None
        paid = simulator.post(f"/v1/payment_intents/{intent['id']}/confirm", {"payment_method": "pm_card_visa"}).json
        assert paid["status"] == "succeeded"


def numbers_that_are_no_test_cards_are_refused_and_never_kept():
    wrong = method_of("4242424242424241")
    assert wrong.status == 402 and wrong.json["error"]["code"] == "incorrect_number"
    live = method_of("4929000000006")
    assert decline(live) == ("card_declined", "test_mode_live_card")
    with open(simulator.journal_path, encoding="utf-8") as file:
        text = file.read()
    assert "4242424242424242" not in text and "4242424242424241" not in text


def a_card_that_is_declined_cannot_be_attached_but_0341_can():
    owner = customer()
    bad = method_of("4000000000000002").json["id"]
    assert decline(simulator.post(f"/v1/payment_methods/{bad}/attach", {"customer": owner})) == ("card_declined", "generic_decline")
    late = method_of("4000000000000341").json["id"]
    assert simulator.post(f"/v1/payment_methods/{late}/attach", {"customer": owner}).status == 200
    assert decline(simulator.pay(late, customer=owner)) == ("card_declined", "generic_decline")


def three_d_secure_waits_for_the_customer_and_goes_on_when_they_pass():
    for number in CHALLENGED:
        intent = simulator.pay(method_of(number).json["id"], return_url="https://shop.example/back").json
        assert intent["status"] == "requires_action" and intent["latest_charge"] is None, (number, intent)
        back = simulator.challenge(intent)
        assert back.status == 303 and "redirect_status=succeeded" in back.headers["Location"]
        after = simulator.get(f"/v1/payment_intents/{intent['id']}").json
        if number in ("4000008260003178", "4000008400001629"):
            assert after["status"] == "requires_payment_method" and after["last_payment_error"]["code"] == "card_declined"
        else:
            assert after["status"] == "succeeded", (number, after)


def a_challenge_that_fails_charges_nothing():
    intent = simulator.pay("pm_card_authenticationRequired").json
    simulator.challenge(intent, "failed")
    after = simulator.get(f"/v1/payment_intents/{intent['id']}").json
    assert after["status"] == "requires_payment_method" and after["latest_charge"] is None
    assert after["last_payment_error"]["code"] == "payment_intent_authentication_failure"


def three_d_secure_can_be_asked_for():
    def wished(number):
        return simulator.pay(method_of(number).json["id"], payment_method_options={"card": {"request_three_d_secure": "any"}})

    assert wished("4000000000003055").json["status"] == "requires_action"
    assert decline(wished("4000000000003097")) == ("processing_error", "processing_error")
    assert wished("378282246310005").json["status"] == "succeeded"
    frictionless = simulator.pay(method_of("4000000032200000").json["id"], expand=["latest_charge"]).json["latest_charge"]
    assert frictionless["payment_method_details"]["card"]["three_d_secure"]["authentication_flow"] == "frictionless"


def off_session_a_challenge_is_a_decline_unless_the_card_was_set_up():
    owner = customer()
    card = method_of("4000002500003155").json["id"]
    simulator.post(f"/v1/payment_methods/{card}/attach", {"customer": owner})
    before = simulator.pay(card, customer=owner, off_session=True)
    assert decline(before) == ("authentication_required", "authentication_required")
    setup = simulator.post("/v1/setup_intents", {"customer": owner, "payment_method": card, "confirm": True}).json
    assert setup["status"] == "requires_action"
    simulator.challenge(setup)
    assert simulator.get(f"/v1/setup_intents/{setup['id']}").json["status"] == "succeeded"
    assert simulator.pay(card, customer=owner, off_session=True).json["status"] == "succeeded"
    assert simulator.pay(card, customer=owner).json["status"] == "requires_action"
    again = method_of("4000003800000446").json["id"]
    simulator.post(f"/v1/payment_methods/{again}/attach", {"customer": owner})
    assert simulator.pay(again, customer=owner, off_session=True).json["status"] == "succeeded"
    refused = simulator.pay("pm_card_authenticationRequired", error_on_requires_action=True)
    assert decline(refused) == ("authentication_required", "authentication_required")


# --- states --------------------------------------------------------------------------------------------------------


def authorised_money_is_captured_in_part_and_in_parts_or_voided():
    held = simulator.pay(capture_method="manual", amount=1000).json
    assert held["status"] == "requires_capture" and held["amount_capturable"] == 1000
    too_much = simulator.post(f"/v1/payment_intents/{held['id']}/capture", {"amount_to_capture": 1001})
    assert too_much.status == 400 and too_much.json["error"]["code"] == "amount_too_large"
    part = simulator.post(f"/v1/payment_intents/{held['id']}/capture", {"amount_to_capture": 600}).json
    assert (part["status"], part["amount_received"], part["amount_capturable"]) == ("succeeded", 600, 0)
    again = simulator.post(f"/v1/payment_intents/{held['id']}/capture")
    assert again.status == 400 and again.json["error"]["code"] == "payment_intent_unexpected_state"
    several = simulator.pay(capture_method="manual", amount=1000,
                            payment_method_options={"card": {"request_multicapture": "if_available"}}).json
    first = simulator.post(f"/v1/payment_intents/{several['id']}/capture", {"amount_to_capture": 300, "final_capture": False}).json
    assert (first["status"], first["amount_capturable"]) == ("requires_capture", 700)
    last = simulator.post(f"/v1/payment_intents/{several['id']}/capture", {"amount_to_capture": 200}).json
    assert (last["status"], last["amount_received"], last["amount_capturable"]) == ("succeeded", 500, 0)
    void = simulator.pay(capture_method="manual").json
    gone = simulator.post(f"/v1/payment_intents/{void['id']}/cancel", {"cancellation_reason": "requested_by_customer"}).json
    assert gone["status"] == "canceled" and gone["amount_capturable"] == 0
    assert simulator.post(f"/v1/payment_intents/{void['id']}/cancel").status == 400


def made(status):
    """An intent in this status."""
    create = {"amount": 1000, "currency": "eur"}
    if status == "requires_payment_method":
        return simulator.post("/v1/payment_intents", create).json
    if status == "requires_confirmation":
        return simulator.post("/v1/payment_intents", {**create, "payment_method": "pm_card_visa"}).json
    if status == "requires_action":
        return simulator.pay("pm_card_authenticationRequired", amount=1000).json
    if status == "requires_capture":
        return simulator.pay(amount=1000, capture_method="manual").json
    paid = simulator.pay(amount=1000, capture_method="manual").json["id"]
    return simulator.post(f"/v1/payment_intents/{paid}/{'capture' if status == 'succeeded' else 'cancel'}").json


def every_state_takes_what_it_may_and_refuses_the_rest():
    steps = {  # what it is called, and where it leads from where; all else is refused and changes nothing
        "confirm": (lambda i: simulator.post(f"/v1/payment_intents/{i}/confirm", {"payment_method": "pm_card_visa"}),
                    {"requires_payment_method": "succeeded", "requires_confirmation": "succeeded", "requires_action": "succeeded"}),
        "decline": (lambda i: simulator.post(f"/v1/payment_intents/{i}/confirm", {"payment_method": "pm_card_chargeDeclined"}),
                    {"requires_payment_method": "requires_payment_method", "requires_confirmation": "requires_payment_method",
                     "requires_action": "requires_payment_method"}),
        "capture": (lambda i: simulator.post(f"/v1/payment_intents/{i}/capture"), {"requires_capture": "succeeded"}),
        "cancel": (lambda i: simulator.post(f"/v1/payment_intents/{i}/cancel"),
                   {s: "canceled" for s in ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")}),
        "refund": (lambda i: simulator.post("/v1/refunds", {"payment_intent": i}), {"succeeded": "succeeded"}),
        "change": (lambda i: simulator.post(f"/v1/payment_intents/{i}", {"amount": 900}),
                   {"requires_payment_method": "requires_payment_method", "requires_confirmation": "requires_confirmation",
                    "requires_action": "requires_action"}),
    }
    for status in ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture", "succeeded", "canceled"):
        for name, (step, leads) in steps.items():
            intent = made(status)
            assert intent["status"] == status, intent
            answer = step(intent["id"])
            after = simulator.get(f"/v1/payment_intents/{intent['id']}").json
            assert answer.status == (402 if name == "decline" and status in leads else 200 if status in leads else 400), (status, name, answer.text)
            assert after["status"] == leads.get(status, status), (status, name, after["status"])
            if status not in leads:
                assert after == intent, (status, name)


def an_authorisation_expires_after_seven_days():
    own = Simulator()
    try:
        held = own.pay(capture_method="manual").json
        own.control("clock", {"advance_s": 8 * 24 * 3600})
        after = wait_for(lambda: [i for i in [own.get(f"/v1/payment_intents/{held['id']}").json] if i["status"] == "canceled"])[0]
        assert after["cancellation_reason"] == "automatic" and after["amount_capturable"] == 0
        types = [e["type"] for e in own.get("/v1/events", {"limit": 5}).json["data"]]
        assert "charge.expired" in types and "payment_intent.canceled" in types
    finally:
        own.stop()


def refunds_never_exceed_the_capture_and_may_pend_or_fail_later():
    paid = simulator.pay(amount=1000).json
    assert simulator.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 400}).json["status"] == "succeeded"
    assert simulator.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 601}).status == 400
    assert simulator.post("/v1/refunds", {"payment_intent": paid["id"]}).json["amount"] == 600
    over = simulator.post("/v1/refunds", {"payment_intent": paid["id"]})
    assert over.json["error"]["code"] == "charge_already_refunded"
    for alias, at_first, at_last in (("pm_card_pendingRefund", "pending", "succeeded"), ("pm_card_refundFail", "succeeded", "failed")):
        intent = simulator.pay(alias).json
        refund = simulator.post("/v1/refunds", {"payment_intent": intent["id"]}).json
        assert refund["status"] == at_first
        settled = wait_for(lambda: [r for r in [simulator.get(f"/v1/refunds/{refund['id']}").json] if r["status"] == at_last])[0]
        charge = simulator.get(f"/v1/charges/{intent['latest_charge']}").json
        assert charge["amount_refunded"] == (0 if at_last == "failed" else 1999)
        assert (settled.get("failure_balance_transaction") is not None) == (at_last == "failed")


def disputes_take_the_money_and_evidence_decides():
    for text, status in (("winning_evidence", "won"), ("losing_evidence", "lost")):
        intent = simulator.pay("pm_card_createDispute").json
        dispute = wait_for(lambda: simulator.get("/v1/disputes", {"payment_intent": intent["id"]}).json["data"])[0]
        assert dispute["status"] == "needs_response" and dispute["balance_transactions"][0]["amount"] == -1999
        refund = simulator.post("/v1/refunds", {"payment_intent": intent["id"]})
        assert refund.json["error"]["code"] == "charge_disputed"
        sent = simulator.post(f"/v1/disputes/{dispute['id']}", {"evidence": {"uncategorized_text": text}}).json
        assert sent["status"] == "under_review" and sent["evidence_details"]["submission_count"] == 1
        closed = wait_for(lambda: [d for d in [simulator.get(f"/v1/disputes/{dispute['id']}").json] if d["status"] == status])[0]
        assert len(closed["balance_transactions"]) == (2 if status == "won" else 1)
    inquiry = simulator.pay("pm_card_createDisputeInquiry").json
    found = wait_for(lambda: simulator.get("/v1/disputes", {"payment_intent": inquiry["id"]}).json["data"])[0]
    assert found["status"] == "warning_needs_response" and found["balance_transactions"] == [] and found["is_charge_refundable"]
    assert simulator.post(f"/v1/disputes/{found['id']}/close").json["status"] == "warning_closed"
    twice = simulator.pay("pm_card_createMultipleDisputes").json
    wait_for(lambda: len(simulator.get("/v1/disputes", {"payment_intent": twice["id"]}).json["data"]) == 2)
    warned = simulator.pay("pm_card_createIssuerFraudRecord").json
    wait_for(lambda: simulator.get("/v1/radar/early_fraud_warnings", {"payment_intent": warned["id"]}).json["data"])


def fees_are_in_the_balance_transactions():
    at_once = simulator.pay(capture_method="automatic", expand=["latest_charge.balance_transaction"]).json
    entry = at_once["latest_charge"]["balance_transaction"]
    assert (entry["amount"], entry["fee"], entry["net"]) == (1999, 88, 1911), entry
    later = simulator.pay(expand=["latest_charge"]).json["latest_charge"]
    assert later["balance_transaction"] is None
    wait_for(lambda: simulator.get(f"/v1/charges/{later['id']}").json["balance_transaction"])


def money_is_checked_by_the_rules_of_the_currency():
    def refused(amount, currency, code=None):
        answer = simulator.pay(amount=amount, currency=currency)
        assert answer.status == 400 and answer.json["error"].get("code") == code, answer.text

    refused(0, "eur", "parameter_invalid_integer")
    refused(-5, "eur", "parameter_invalid_integer")
    refused("1.5", "eur", "parameter_invalid_integer")
    refused(49, "usd", "amount_too_small")
    refused(100000000, "usd", "amount_too_large")
    refused(1000, "zzz")
    refused(1050, "isk")
    refused(1005, "kwd")
    assert simulator.pay(amount=500, currency="JPY").json["currency"] == "jpy"
    assert simulator.pay(amount=1000, currency="isk").status == 200


def methods_belong_to_one_customer():
    owner, other = customer(), customer()
    card = simulator.post("/v1/payment_methods/pm_card_visa/attach", {"customer": owner}).json["id"]
    assert simulator.pay(card).json["error"]["param"] == "payment_method"
    assert simulator.pay(card, customer=other).status == 400
    assert simulator.pay(card, customer=owner).status == 200
    listed = simulator.get("/v1/payment_methods", {"customer": owner, "type": "card"}).json["data"]
    assert [m["id"] for m in listed] == [card]
    simulator.post(f"/v1/payment_methods/{card}/detach")
    assert simulator.get(f"/v1/customers/{owner}/payment_methods").json["data"] == []
    assert simulator.pay(card, customer=owner).status == 400
    assert simulator.send("DELETE", f"/v1/customers/{owner}", None, {"Authorization": f"Bearer {KEY}"}).json["deleted"]
    assert simulator.get(f"/v1/customers/{owner}").json["deleted"] is True


# --- the interface -------------------------------------------------------------------------------------------------


def who_asks_how_and_what_is_checked():
    assert simulator.send("GET", "/v1/charges").status == 401
    assert simulator.send("GET", "/v1/charges", None, {"Authorization": "Bearer sk_test_wrong"}).status == 401
    assert simulator.get("/v1/charges", version="yesterday").status == 400
    answer = simulator.get("/v1/charges", version="2024-06-20")
    assert answer.headers["Stripe-Version"] == "2024-06-20" and answer.headers["Request-Id"].startswith("req_")
    assert simulator.get("/v1/nothing").status == 404
    missing = simulator.get("/v1/payment_intents/pi_nothing")
    assert missing.status == 404 and missing.json["error"]["code"] == "resource_missing"
    unknown = simulator.pay(colour="red")
    assert unknown.json["error"]["code"] == "parameter_unknown" and unknown.json["error"]["param"] == "colour"
    as_json = simulator.send("POST", "/v1/customers", "{}", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    assert as_json.status == 400
    assert simulator.pay().status == 200 and simulator.get("/v1/charges", {"expand": ["data.nothing"]}).status == 400
    large = simulator.send("POST", "/v1/customers", "x", {"Authorization": f"Bearer {KEY}", "Content-Length": "300000"})
    assert large.status == 413


def bytes_that_are_no_text_are_refused_and_harm_nobody():
    form = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    long_name = "%C3%A4" * 200 + "[=1"
    for path, body, headers in (
        ("/v1/customers/%ff%fe", "", {}), ("/v1/customers", "name=%ff", {}), ("/v1/customers", "na%00me=1", {}),
        ("/v1/customers", long_name, {}), ("/v1/customers", "name=a", {"Idempotency-Key": "k\xff"}),
        ("/v1/customers", "name=a", {"Stripe-Version": "\xff" * 50}), ("/v1/customers", "name=a", {"Content-Type": "\xff"}),
        ("/v1/payment_intents", "amount=1000&currency=%C3%A4%C3%A4%C3%A4", {}),
        ("/v1/payment_methods", "type=" + "%C3%A4" * 39 + "a", {}),
    ):
        assert simulator.send("POST", path, body, {**form, **headers}).status == 400, (path, body, headers)
    odd = simulator.send("POST", "/v1/payment_intents", "amount=1000&currency=eur&payment_method=pm_card_authenticationRequired&confirm=true",
                         {**form, "Host": "\xff"})
    assert odd.json["next_action"]["use_stripe_sdk"]["stripe_js"].startswith("https://localhost/")
    assert simulator.get("/v1/customers/" + "x" * 5000).status == 404


def lists_are_paged_newest_first_and_searched_by_metadata():
    owner = customer()
    ids = [simulator.pay(customer=owner, metadata={"attempt_id": f"a{i}-{owner}"}).json["id"] for i in range(5)][::-1]
    first = simulator.get("/v1/payment_intents", {"customer": owner, "limit": 2}).json
    assert [i["id"] for i in first["data"]] == ids[:2] and first["has_more"]
    second = simulator.get("/v1/payment_intents", {"customer": owner, "limit": 3, "starting_after": ids[1]}).json
    assert [i["id"] for i in second["data"]] == ids[2:] and not second["has_more"]
    back = simulator.get("/v1/payment_intents", {"customer": owner, "limit": 2, "ending_before": ids[3]}).json
    assert [i["id"] for i in back["data"]] == ids[1:3] and back["has_more"]
    found = simulator.get("/v1/payment_intents/search", {"query": f"metadata['attempt_id']:'a3-{owner}' AND status:'succeeded'"}).json
    assert [i["id"] for i in found["data"]] == [ids[1]] and found["object"] == "search_result"
    assert simulator.get("/v1/payment_intents/search", {"query": "nonsense"}).status == 400
    assert simulator.get("/v1/payment_intents", {"limit": 101}).status == 400


def a_key_gives_its_first_result_again():
    first = simulator.pay(key="once")
    again = simulator.pay(key="once")
    assert again.text == first.text and again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    other = simulator.pay(key="once", amount=2000)
    assert other.status == 400 and other.json["error"]["type"] == "idempotency_error"
    declined = simulator.pay("pm_card_chargeDeclined", key="no")
    assert simulator.pay("pm_card_chargeDeclined", key="no").text == declined.text and declined.status == 402
    assert simulator.pay(key="mended", amount=1).status == 400
    assert simulator.pay(key="mended").status == 200
    assert simulator.pay(key="k" * 256).status == 400
    done = [c for c in simulator.calls() if c["key"] == "once" and c["done"]]
    assert len(done) == 1


def a_key_is_forgotten_after_a_day():
    own = Simulator()
    try:
        first = own.pay(key="day").json["id"]
        own.control("clock", {"advance_s": 23 * 3600})
        assert own.pay(key="day").json["id"] == first
        own.control("clock", {"advance_s": 2 * 3600})
        assert own.pay(key="day").json["id"] != first
    finally:
        own.stop()


def a_500_is_stored_and_a_429_is_not():
    before = simulator.pay(key="stored-500", fault="error_500")
    assert before.status == 500 and simulator.pay(key="stored-500").text == before.text
    after = simulator.pay(key="after-500", fault="error_500_after", metadata={"mark": "after-500"})
    assert after.status == 500 and simulator.pay(key="after-500", metadata={"mark": "after-500"}).status == 500
    found = simulator.get("/v1/payment_intents/search", {"query": "metadata['mark']:'after-500'"}).json["data"]
    assert len(found) == 1 and found[0]["status"] == "succeeded"
    slow = simulator.pay(key="slow-down", fault="too_many_requests=3")
    assert slow.status == 429 and slow.headers["Retry-After"] == "3" and slow.json["error"]["code"] == "rate_limit"
    assert simulator.pay(key="slow-down", fault="error_503").status == 503
    assert simulator.pay(key="slow-down").status == 200


# --- faults --------------------------------------------------------------------------------------------------------


def charged_with(mark):
    return [i for i in simulator.objects("payment_intent").values() if i["metadata"].get("mark") == mark and i["amount_received"]]


def broken(mark, fault, **more):
    try:
        answer = simulator.pay(key=mark, metadata={"mark": mark}, fault=fault, **more)
    except BROKEN:
        return None
    return answer


def answers_that_never_come_are_found_again_under_their_key():
    begun = time.monotonic()
    assert broken("never", "timeout_before=300") is None and time.monotonic() - begun >= 0.3
    assert not charged_with("never")
    assert broken("lost", "timeout_after=200") is None and len(charged_with("lost")) == 1
    assert broken("gone", "timeout_after=60000", timeout=0.5) is None and len(wait_for(lambda: charged_with("gone"))) == 1
    assert broken("refused", "reset_before") is None and not charged_with("refused")
    for mark in ("never", "lost", "gone", "refused"):
        assert simulator.pay(key=mark, metadata={"mark": mark}).json["status"] == "succeeded"
        assert len(charged_with(mark)) == 1


def an_answer_is_cut_at_every_byte():
    for cut in [*range(0, 40), 100, 300, 500, 1000]:
        mark = f"cut-{cut}"
        answer = broken(mark, f"reset_after={cut}")
        # Python takes "HTTP/1.1 200" alone for an answer without a body.
        assert answer is None or answer.text == "", (cut, answer.text)
        assert len(charged_with(mark)) == 1, cut
        assert simulator.pay(key=mark, metadata={"mark": mark}).headers["Idempotent-Replayed"] == "true"


def a_body_may_end_early_with_a_proper_length():
    answer = broken("short", "truncate=100")
    assert answer.status == 200 and len(answer.text) == 100 and len(charged_with("short")) == 1
    try:
        answer.json
        raise AssertionError("half a document was read")
    except json.JSONDecodeError:
        pass
    slow = simulator.get("/v1/balance", fault="drip=1")
    assert slow.json["object"] == "balance"


def answers_may_say_something_else_than_was_done():
    assert broken("more", "other_amount=7").json["amount"] == 2006
    assert broken("coin", "other_currency").json["currency"] == "usd"
    other = broken("other", "other_object").json
    assert other["metadata"] == {} and simulator.get(f"/v1/payment_intents/{other['id']}").status == 404
    for mark in ("more", "coin", "other"):
        truth, = charged_with(mark)
        assert (truth["amount"], truth["currency"]) == (1999, "eur")


def a_key_is_in_use_while_its_answer_is_on_the_way():
    import threading
    answers = []
    thread = threading.Thread(target=lambda: answers.append(simulator.pay(key="busy", fault="late=800")))
    begun = time.monotonic()
    thread.start()
    wait_for(lambda: [c for c in simulator.calls() if c["key"] == "busy"])
    meanwhile = simulator.pay(key="busy")
    thread.join()
    assert meanwhile.status == 409 and meanwhile.json["error"]["code"] == "idempotency_key_in_use", meanwhile.text
    assert answers[0].status == 200 and time.monotonic() - begun >= 0.8
    assert simulator.pay(key="busy").text == answers[0].text


def faults_are_ordered_for_what_matches():
    simulator.control("faults", {"fault": "too_many_requests", "value": 1, "method": "POST", "path": "/v1/refunds", "count": 3, "skip": 1})
    intents = [simulator.pay().json["id"] for _ in range(5)]
    statuses = [simulator.post("/v1/refunds", {"payment_intent": i}).status for i in intents]
    assert statuses == [200, 429, 429, 429, 200], statuses
    simulator.control("faults", {"fault": "error_500", "body": "ordered-by-body"})
    assert simulator.control("faults", method="GET")["orders"][0]["body"] == "ordered-by-body"
    assert simulator.pay().status == 200 and simulator.pay(metadata={"m": "ordered-by-body"}).status == 500
    simulator.control("faults", {"fault": "error_500", "count": 100})
    simulator.control("faults", method="DELETE")
    assert simulator.pay().status == 200


def the_dice_fall_the_same_way_for_the_same_seed():
    def play():
        own = Simulator("--random-faults", "30", "--seed", "7")
        try:
            own.control("random", {"percent": 30, "seed": 7, "faults": ["error_500", "error_503", "too_many_requests", "truncate"]})
            for i in range(60):
                own.pay(key=f"k{i}")
            return [c["fault"] for c in own.calls()]
        finally:
            own.stop()

    first, second = play(), play()
    assert first == second and 6 <= sum(1 for f in first if f) <= 32, first


# --- webhooks ------------------------------------------------------------------------------------------------------


def hooked(fault=None, **more):
    """The events of one payment under a fault, as they came."""
    receiver = Receiver()
    own = Simulator(webhook_url=receiver.url)
    try:
        answer = own.pay(fault=fault, **more)
        answered = time.monotonic()
        types = [e["type"] for e in own.get("/v1/events").json["data"]][::-1]
        return own, receiver, types, answered, answer
    except BaseException:
        own.kill()
        raise


def webhooks_are_signed_and_come_after_the_answer_in_order():
    own, receiver, types, answered, _ = hooked(capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 3)
    assert [e["type"] for e in receiver.events()] == types == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    for at, headers, body in receiver.got:
        assert is_genuine(headers["Stripe-Signature"], body) and not is_genuine(headers["Stripe-Signature"], body + b" ")
        assert at > answered - 0.05
    wait_for(lambda: all(e["pending_webhooks"] == 0 for e in own.objects("event").values()))
    own.stop()


def webhooks_come_twice_reversed_early_late_forged_or_not_at_all():
    own, receiver, types, _, _ = hooked("webhook_duplicate=3", capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 9)
    own.stop()
    own, receiver, types, _, _ = hooked("webhook_reorder", capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 3)
    assert [e["type"] for e in receiver.events()] == types[::-1]
    own.stop()
    own, receiver, types, answered, _ = hooked("webhook_early", capture_method="automatic")
    assert len(receiver.got) == 3 and all(at < answered for at, _, _ in receiver.got)
    own.stop()
    own, receiver, types, _, answer = hooked("webhook_forged", capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 6)
    assert len(receiver.genuine()) == 3
    false = [json.loads(b) for _, h, b in receiver.got if not is_genuine(h["Stripe-Signature"], b)]
    assert all(e["data"]["object"]["amount"] == 2999 for e in false), false
    own.stop()
    own, receiver, types, _, _ = hooked("webhook_skewed=600", capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 3)
    stamp = int(receiver.got[0][1]["Stripe-Signature"].split(",")[0][2:])
    assert 595 <= time.time() - stamp <= 640 and len(receiver.genuine()) == 3
    own.stop()
    receiver = Receiver(status=400)
    own = Simulator(webhook_url=receiver.url)
    own.pay(fault="webhook_skewed=600", capture_method="automatic")
    receiver.wait(lambda r: len(r.got) >= 6)
    stamps = [int(headers["Stripe-Signature"].split(",")[0][2:]) for _, headers, _ in receiver.got[:6]]
    assert sum(time.time() - stamp >= 595 for stamp in stamps) == 3, stamps
    own.stop()
    own, receiver, types, _, _ = hooked("webhook_lost", capture_method="automatic")
    own.kill()
    own.start()
    own.pay(capture_method="automatic")
    receiver.wait(lambda r: len(r.got) == 3)
    assert len(types) == 3 and len(own.get("/v1/events").json["data"]) == 6
    own.stop()


def what_was_not_delivered_is_delivered_after_a_kill():
    receiver = Receiver(status=500)
    own = Simulator(webhook_url=receiver.url)
    own.pay(capture_method="automatic")
    receiver.wait(lambda r: len(r.got) >= 1)
    own.kill()
    receiver.status, before = 200, len(receiver.got)
    own.start()
    receiver.wait(lambda r: len({e["id"] for e in r.events()[before:]}) == 3)
    own.stop()


# --- the journal ---------------------------------------------------------------------------------------------------


def kill_9_takes_nothing_that_was_answered():
    own = Simulator()
    known = {}
    for turn in range(6):
        for i in range(8):
            answer = own.pay(key=f"{turn}-{i}", metadata={"turn": str(turn)})
            known[answer.json["id"]] = answer.text
        own.kill()
        with open(own.journal_path, "ab") as file:  # what a crash in the middle of a write leaves
            file.write([b"", b'{"object":{"id":"pi_half","object":"payment_intent"}}\n', b'{"obj'][turn % 3])
        own.start()
        for index, (intent, text) in enumerate(known.items()):
            there = own.get(f"/v1/payment_intents/{intent}").json
            assert there["status"] == "succeeded" and there["amount"] == 1999
            if index >= len(known) - 8:
                assert own.pay(key=f"{turn}-{index % 8}", metadata={"turn": str(turn)}).text == text
        assert own.get("/v1/payment_intents/pi_half").status == 404
    assert len(own.objects("payment_intent")) == 48
    numbers = [c["number"] for c in own.calls()]
    assert numbers == sorted(set(numbers))
    own.stop()


def tasks_go_on_after_a_kill():
    own = Simulator(settle_ms=600)
    refund = own.post("/v1/refunds", {"payment_intent": own.pay("pm_card_refundFail").json["id"]}).json
    own.kill()
    own.start()
    wait_for(lambda: own.get(f"/v1/refunds/{refund['id']}").json["status"] == "failed")
    own.stop()


def a_file_that_is_no_journal_is_refused():
    own = Simulator()
    own.stop()
    with open(own.journal_path, "ab") as file:
        file.write(b"hello\n")
    try:
        own.start()
        raise AssertionError("it started")
    except AssertionError as problem:
        assert "did not start" in str(problem)


def a_slow_client_is_cut_and_others_are_served():
    hanging = [socket.create_connection(("127.0.0.1", simulator.port)) for _ in range(20)]
    assert simulator.get("/v1/balance").status == 200
    for connection in hanging:
        connection.close()


TESTS = [
    every_card_that_works_is_charged,
    every_declined_card_is_declined_by_its_code_and_the_intent_stays_open,
    numbers_that_are_no_test_cards_are_refused_and_never_kept,
    a_card_that_is_declined_cannot_be_attached_but_0341_can,
    three_d_secure_waits_for_the_customer_and_goes_on_when_they_pass,
    a_challenge_that_fails_charges_nothing,
    three_d_secure_can_be_asked_for,
    off_session_a_challenge_is_a_decline_unless_the_card_was_set_up,
    authorised_money_is_captured_in_part_and_in_parts_or_voided,
    every_state_takes_what_it_may_and_refuses_the_rest,
    an_authorisation_expires_after_seven_days,
    refunds_never_exceed_the_capture_and_may_pend_or_fail_later,
    disputes_take_the_money_and_evidence_decides,
    fees_are_in_the_balance_transactions,
    money_is_checked_by_the_rules_of_the_currency,
    methods_belong_to_one_customer,
    who_asks_how_and_what_is_checked,
    bytes_that_are_no_text_are_refused_and_harm_nobody,
    lists_are_paged_newest_first_and_searched_by_metadata,
    a_key_gives_its_first_result_again,
    a_key_is_forgotten_after_a_day,
    a_500_is_stored_and_a_429_is_not,
    answers_that_never_come_are_found_again_under_their_key,
    an_answer_is_cut_at_every_byte,
    a_body_may_end_early_with_a_proper_length,
    answers_may_say_something_else_than_was_done,
    a_key_is_in_use_while_its_answer_is_on_the_way,
    faults_are_ordered_for_what_matches,
    the_dice_fall_the_same_way_for_the_same_seed,
    webhooks_are_signed_and_come_after_the_answer_in_order,
    webhooks_come_twice_reversed_early_late_forged_or_not_at_all,
    what_was_not_delivered_is_delivered_after_a_kill,
    kill_9_takes_nothing_that_was_answered,
    tasks_go_on_after_a_kill,
    a_file_that_is_no_journal_is_refused,
    a_slow_client_is_cut_and_others_are_served,
]


if __name__ == "__main__":
    simulator = Simulator()
    code = run([t for t in TESTS if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
    if simulator.stop() != 0:
        print("the simulator did not end well")
        code = 1
    sys.exit(code)
