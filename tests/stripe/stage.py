"""A stage for tests: `dues dev --gateway stripe-simulator` and what one asks of server and simulator on it."""

import json
import os
import ssl
import subprocess
import sys
import time
import unittest
import urllib.request
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from server import BUILD, Server  # noqa: E402

PATIENCE_S = 60


class Simulated(Server):
    arguments = ("--gateway", "stripe-simulator")

    def dues(self, *arguments):
        return subprocess.run([os.path.join(BUILD, "dues"), *arguments], capture_output=True, text=True, check=False,
                              timeout=90)


class Stage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Simulated()
        try:
            cls.server.start()
        except BaseException:
            cls.server.stop()
            raise
        cls.read_settings()

    @classmethod
    def read_settings(cls):
        with open(os.path.join(cls.server.directory, "duesd.conf"), encoding="ascii") as file:
            lines = [line.split(" = ", 1) for line in file if " = " in line]
        cls.settings = {key: value.strip() for key, value in lines}
        with open(os.path.join(cls.server.directory, "stripe.key"), encoding="ascii") as file:
            cls.secret = file.read().strip()

    @classmethod
    def tearDownClass(cls):
        if cls.server.stop() != 0:
            raise AssertionError("dues dev did not end well")

    def setUp(self):
        self.simulator("DELETE", "/_simulator/faults")
        self.customer = self.call("MembershipService/CreateCustomer",
                                  {"customer": {"displayName": "Ada"}, "requestId": uuid.uuid4().hex})["name"]

    # ---- Asking ----

    def try_call(self, method, request):
        return self.server.dues("call", "--state-dir", self.server.directory, "--deadline-ms", "60000", method,
                                json.dumps(request))

    def call(self, method, request):
        result = self.try_call(method, request)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def simulator(self, method, path, body=None, form=False):
        data = None if body is None else (body if form else json.dumps(body)).encode()
        request = urllib.request.Request(self.settings["stripe_url"] + path, data=data, method=method,
                                         headers={"Authorization": "Bearer " + self.secret})
        context = ssl.create_default_context(cafile=self.settings["stripe_ca_file"])
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def add_card(self, token):
        return self.call("PaymentService/CreatePaymentMethod",
                         {"parent": self.customer, "paymentMethod": {"gatewayToken": token},
                          "requestId": uuid.uuid4().hex})

    def pay(self, card, minor_units=1999, **more):
        return self.call("PaymentService/CreatePayment", self.payment_request(card, minor_units, **more))

    def payment_request(self, card, minor_units=1999, **more):
        return {"parent": self.customer, "requestId": uuid.uuid4().hex,
                "payment": dict({"amount": {"currencyCode": "USD", "minorUnits": str(minor_units)},
                                 "paymentMethod": card["name"]}, **more)}

    def settled(self, name, method="PaymentService/GetPayment", waiting=("STATE_PROCESSING", "STATE_PENDING"), patience_s=PATIENCE_S):
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            thing = self.call(method, {"name": name})
            if thing["state"] not in waiting:
                return thing
            time.sleep(0.2)
        raise AssertionError(f"{name} is not settled: {thing}")

    def intents(self, payment):
        everything = self.simulator("GET", "/v1/payment_intents?limit=100")["data"]
        return [each for each in everything if each["metadata"].get("payment_id", "-") in payment["name"]]
