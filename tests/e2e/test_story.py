#!/usr/bin/env python3
"""The main job from a stranger's side: sign up, enrol the phone, add a card, become a member, be charged again a
month later, get a refund, cancel; and the same after kill -9.  Every call is a real grpcurl."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import AUTH, MEMBERSHIP, PAYMENT, SANDBOX, Server, missing, rfc3339  # noqa: E402

SERVICE, APP, OPERATOR = "service-billing", "app-demo", "operator-demo"
START = 1769850000  # 2026-01-31T09:00:00Z: the day that February does not have
DAY = 86400

MANDATE = {"type": "TYPE_RECURRING", "textVersion": "terms-1"}

class Story(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        try:
            cls.server.start()
        except BaseException:
            cls.server.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        if cls.server.stop() != 0:
            raise AssertionError("dues dev did not end well")

    def ok(self, answer):
        self.assertEqual(answer.code, "OK", answer.text)
        return answer.data

    def call(self, identity, method, data=None, token=None):
        return self.ok(self.server.call(identity, method, data, token))

    def test_lists_and_describes_itself(self):
        services = self.server.grpcurl(APP, "list").stdout.split()

        for service in ("dues.auth.v1.AuthService", "dues.payment.v1.PaymentService",
                        "dues.membership.v1.MembershipService", "dues.sandbox.v1.SandboxService",
                        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"):
            self.assertIn(service, services)
        methods = self.server.grpcurl(APP, "list", "dues.payment.v1.PaymentService").stdout.split()
        self.assertIn("dues.payment.v1.PaymentService.CreatePayment", methods)
        described = self.server.grpcurl(APP, "describe", "dues.payment.v1.Payment").stdout
        self.assertIn(".dues.type.v1.Money amount = 2;", described)
        self.assertIn("STATE_SUCCEEDED = 4;", described)

    def test_is_healthy(self):
        health = self.call(APP, "grpc.health.v1.Health/Check", {"service": "dues.payment.v1.PaymentService"})

        self.assertEqual(health, {"status": "SERVING"})

    def test_shows_which_field_is_wrong_and_why(self):
        answer = self.server.call(SERVICE, PAYMENT + "CreatePayment", {
            "parent": "customers/018f0000-0000-7000-8000-000000000000", "requestId": "wrong-field",
            "payment": {"paymentMethod": "customers/x", "amount": {"currencyCode": "usd", "minorUnits": -5}}})

        self.assertEqual(answer.code, "InvalidArgument", answer.text)
        for text in ("google.rpc.BadRequest", "payment.amount.currency_code", "payment.amount.minor_units",
                     "payment.payment_method", "google.rpc.ErrorInfo", '"reason": "INVALID_FIELD"',
                     '"domain": "dues"', "google.rpc.RequestInfo"):
            self.assertIn(text, answer.text)

    def test_refuses_a_card_number(self):
        customer = self.call(SERVICE, MEMBERSHIP + "CreateCustomer")["name"]

        answer = self.server.call(SERVICE, PAYMENT + "CreatePaymentMethod", {
            "parent": customer, "paymentMethod": {"gatewayToken": "4242424242424242"}})

        self.assertEqual(answer.code, "InvalidArgument", answer.text)
        self.assertIn("CARD_NUMBER_REFUSED", answer.text)
        self.assertNotIn("4242424242424242", answer.text + self.server.said())

    def test_knows_what_it_does_not_know(self):
        method = self.server.call(SERVICE, PAYMENT + "Nonsense")
        customer = self.server.call(SERVICE, MEMBERSHIP + "GetCustomer",
                                    {"name": "customers/018f0000-0000-7000-8000-000000000000"})

        self.assertNotEqual(method.code, "OK", method.text)
        self.assertIn("Nonsense", method.text)
        self.assertEqual(customer.code, "NotFound", customer.text)
        self.assertIn("CUSTOMER_NOT_FOUND", customer.text)

    def test_says_who_may_call(self):
        nobody = self.server.call(APP, AUTH + "GetUser", {"name": "users/me"})
        app = self.server.call(APP, PAYMENT + "ListPayments", {"parent": "customers/me"})

        self.assertEqual(nobody.code, "Unauthenticated", nobody.text)
        self.assertIn("TOKEN_REQUIRED", nobody.text)
        self.assertEqual(app.code, "PermissionDenied", app.text)
        self.assertIn("CALLER_NOT_ALLOWED", app.text)

    def sign_up(self, clock):
        made = self.call(APP, AUTH + "SignUp", {
            "email": "ada@example.com", "password": "a long and quiet afternoon", "displayName": "Ada",
            "testClock": clock, "requestId": "sign-up"})
        self.assertEqual(made["user"]["customer"], made["customer"])
        return made

    def enrol(self, session):
        """The phone's own certificate, and the session moved to it."""
        phone, request = self.server.make_device_key("phone")
        device = self.call(APP, AUTH + "EnrollDevice", {"csrPem": request, "displayName": "phone"},
                           session["accessToken"])
        with open(phone + ".pem", "w", encoding="ascii") as file:
            file.write(device["certificatePem"] + device["certificateChainPem"])
        moved = self.call(phone, AUTH + "RefreshSession", {"refreshToken": session["refreshToken"]})
        stolen = self.server.call(APP, AUTH + "GetUser", {"name": "users/me"}, moved["accessToken"])
        self.assertEqual(stolen.code, "Unauthenticated", stolen.text)
        self.assertIn("TOKEN_WRONG_CERTIFICATE", stolen.text)
        return phone, moved

    def may(self, who, entitlement, token=None, customer="customers/me"):
        return self.call(who, MEMBERSHIP + "CheckEntitlement",
                         {"customer": customer, "entitlement": entitlement}, token)

    def advance(self, clock, seconds):
        moved = self.call(SERVICE, SANDBOX + "AdvanceTestClock", {"name": clock, "targetTime": rfc3339(seconds)})
        self.assertEqual(moved["state"], "STATE_READY")
        self.assertEqual(moved["clockTime"], rfc3339(seconds))

    def log_in(self, phone):
        return self.call(phone, AUTH + "LogIn", {"email": "ada@example.com",
                                                 "password": "a long and quiet afternoon"})["accessToken"]

    def test_the_whole_story(self):
        clock = self.call(SERVICE, SANDBOX + "CreateTestClock", {"testClock": {"clockTime": rfc3339(START)}})["name"]
        made = self.sign_up(clock)
        customer = made["customer"]
        phone, session = self.enrol(made["session"])
        token = session["accessToken"]

        denied = self.may(phone, "video.hd", token)
        self.assertNotIn("allowed", denied)
        self.assertEqual(denied["cause"], "CAUSE_NO_MEMBERSHIP")

        card = self.call(phone, PAYMENT + "CreatePaymentMethod", {
            "parent": "customers/me", "paymentMethod": {"gatewayToken": "tok_visa", "mandate": MANDATE}, "requestId": "card"}, token)
        self.assertEqual((card["brand"], card["last4"], card["isDefault"]), ("visa", "4242", True))
        self.assertNotIn("gatewayToken", card)

        wish = {"parent": "customers/me", "skipTrial": True, "requestId": "join",
                "membership": {"plan": "plans/premium-monthly", "paymentMethod": card["name"]}}
        first = self.server.call(phone, MEMBERSHIP + "CreateMembership", wish, token, verbose=True)
        again = self.server.call(phone, MEMBERSHIP + "CreateMembership", wish, token, verbose=True)
        member = self.ok(first)
        self.assertEqual(self.ok(again), member)
        self.assertIn("idempotent-replayed: true", again.trailers)
        self.assertNotIn("idempotent-replayed", first.trailers)
        self.assertEqual(member["state"], "STATE_ACTIVE")
        self.assertEqual(member["currentPeriodEndTime"], "2026-02-28T09:00:00Z")
        self.assertTrue(self.may(phone, "video.hd", token)["allowed"])
        self.assertEqual(self.may(phone, "video.4k", token)["cause"], "CAUSE_NOT_IN_TIER")

        self.advance(clock, START + 31 * DAY)
        token = self.log_in(phone)
        invoices = self.call(phone, MEMBERSHIP + "ListInvoices", {"parent": "customers/me"}, token)["invoices"]
        self.assertEqual([(one["number"], one["state"], one["total"]["minorUnits"]) for one in invoices],
                         [("2", "STATE_PAID", "999"), ("1", "STATE_PAID", "999")])
        member = self.call(phone, MEMBERSHIP + "GetMembership", {"name": member["name"]}, token)
        self.assertEqual(member["currentPeriodEndTime"], "2026-03-31T09:00:00Z")

        self.refund(customer, invoices[0]["payment"])
        self.kill_and_come_back(customer, member)
        token = self.log_in(phone)

        canceled = self.call(phone, MEMBERSHIP + "CancelMembership", {"name": member["name"]}, token)
        self.assertTrue(canceled["cancelAtPeriodEnd"])
        self.assertTrue(self.may(phone, "video.hd", token)["allowed"])
        self.advance(clock, START + 62 * DAY)
        token = self.log_in(phone)
        self.assertEqual(self.may(phone, "video.hd", token)["cause"], "CAUSE_CANCELED")
        invoices = self.call(OPERATOR, MEMBERSHIP + "ListInvoices", {"parent": customer})["invoices"]
        self.assertEqual(len(invoices), 2)

    def refund(self, customer, payment):
        wish = {"parent": payment, "requestId": "refund",
                "refund": {"amount": {"currencyCode": "USD", "minorUnits": 400}, "reason": "REASON_REQUESTED_BY_CUSTOMER"}}
        refund = self.call(OPERATOR, PAYMENT + "CreateRefund", wish)
        self.assertEqual(refund["state"], "STATE_SUCCEEDED")
        self.assertEqual(self.call(OPERATOR, PAYMENT + "CreateRefund", wish), refund)
        wish["refund"]["amount"]["minorUnits"] = 401
        reused = self.server.call(OPERATOR, PAYMENT + "CreateRefund", wish)
        self.assertEqual(reused.code, "InvalidArgument", reused.text)
        self.assertIn("REQUEST_ID_REUSED", reused.text)
        wish["requestId"] = "refund-too-much"
        wish["refund"]["amount"]["minorUnits"] = 600
        exceeds = self.server.call(OPERATOR, PAYMENT + "CreateRefund", wish)
        self.assertEqual(exceeds.code, "FailedPrecondition", exceeds.text)
        self.assertIn("REFUND_EXCEEDS_CAPTURE", exceeds.text)
        self.assertIn("599", exceeds.text)
        calls = self.call(SERVICE, SANDBOX + "ListGatewayCalls", {"payment": payment})["gatewayCalls"]
        self.assertEqual([(one["operation"], one["outcome"]) for one in calls],
                         [("OPERATION_REFUND", "OUTCOME_APPROVED"), ("OPERATION_CHARGE", "OUTCOME_APPROVED")])
        payments = self.call(SERVICE, PAYMENT + "ListPayments", {"parent": customer})["payments"]
        self.assertEqual([one["amountRefunded"].get("minorUnits", "0") for one in payments], ["400", "0"])

    def kill_and_come_back(self, customer, member):
        before = self.call(SERVICE, PAYMENT + "ListPayments", {"parent": customer})

        self.assertNotEqual(self.server.kill_server(), 0)
        self.assertIn("signal 9", self.server.said())
        self.server.start()

        self.assertEqual(self.call(SERVICE, PAYMENT + "ListPayments", {"parent": customer}), before)
        self.assertEqual(self.call(SERVICE, MEMBERSHIP + "GetMembership", {"name": member["name"]}), member)

    def test_a_declined_card_is_an_answer(self):
        customer = self.call(SERVICE, MEMBERSHIP + "CreateCustomer")["name"]
        card = self.call(SERVICE, PAYMENT + "CreatePaymentMethod", {
            "parent": customer, "paymentMethod": {"gatewayToken": "tok_chargeDeclinedInsufficientFunds", "mandate": MANDATE}})["name"]

        payment = self.call(SERVICE, PAYMENT + "CreatePayment", {
            "parent": customer, "requestId": "declined",
            "payment": {"paymentMethod": card, "amount": {"currencyCode": "USD", "minorUnits": 999}}})
        member = self.call(SERVICE, MEMBERSHIP + "CreateMembership", {
            "parent": customer, "skipTrial": True, "requestId": "declined",
            "membership": {"plan": "plans/premium-monthly", "paymentMethod": card}})

        self.assertEqual(payment["state"], "STATE_FAILED")
        self.assertEqual(payment["decline"]["code"], "insufficient_funds")
        self.assertEqual(payment["decline"]["actor"], "ACTOR_CUSTOMER")
        self.assertEqual(member["state"], "STATE_INCOMPLETE")
        self.assertNotIn("allowed", self.may(SERVICE, "video.hd", customer=customer))


if __name__ == "__main__":
    REASON = missing()
    if REASON:
        print(f"SKIPPED: {REASON}")
        sys.exit(77)
    unittest.main()
