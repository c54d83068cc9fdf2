"""A stage for tests: `dues dev --gateway stripe-simulator` and what one asks of server and simulator on it."""

import concurrent.futures
import contextlib
import json
import os
import socket
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
NEWS_S = 30


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

    def try_call(self, method, request, *options):
        return self.server.dues("call", "--state-dir", self.server.directory, "--deadline-ms", "60000", *options, method,
                                json.dumps(request))

    @contextlib.contextmanager
    def while_calling(self, method, request):
        """While somebody waits for the answer, who may get none."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(self.try_call, method, request)
            yield

    def call(self, method, request, *options):
        result = self.try_call(method, request, *options)
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
        return [each for each in everything if each["metadata"].get("payment_id", "none") in payment["name"]]


class NewsStage(Stage):
    """The same with eyes on what the gateway tells by itself, and on the database."""

    @classmethod
    def read_settings(cls):
        super().read_settings()
        with open(os.path.join(cls.server.directory, "stripe.webhook-secret"), encoding="ascii") as file:
            cls.signing_secret = file.read().strip()
        host, port = cls.settings["gateway_news_listen"].rsplit(":", 1)
        cls.listener = (host, int(port))

    def sql(self, text):
        host = self.settings["database"].split("'")[1]
        result = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-h", host, "-U", "postgres", "-d", "dues", "-c", text],
                                check=True, capture_output=True, text=True)
        return result.stdout.strip()

    def metric(self, family, **labels):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.settings["metrics_listen"][len("unix:"):])
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            text = b""
            while True:
                some = connection.recv(65536)
                if not some:
                    break
                text += some
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
                   if line.startswith(family) and line[len(family)] in "{ " and all(each in line for each in wanted))

    def order(self, fault, **more):
        self.simulator("POST", "/_simulator/faults", {"fault": fault, **more})

    def become(self, condition, what, limit=NEWS_S):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come to pass")

    def applied(self):
        """Until nothing is owed, and every event that the simulator has made was taken."""
        self.become(lambda: self.sql("SELECT count(*) FROM dues.news WHERE state IN ('OWED', 'UNMATCHED')") == "0"
                    and self.sql("SELECT count(*) FROM dues.obligation WHERE kind = 'gateway.news'") == "0", "peace")

    def told(self, object_id, event_type):
        """Until news of this object have come and are applied; their count."""
        query = f"SELECT count(*) FROM dues.news WHERE object_id = '{object_id}' AND type = '{event_type}'"
        self.become(lambda: self.sql(query) != "0", f"{event_type} of {object_id}")
        self.applied()
        return int(self.sql(query))

    def groups(self, payment):
        return int(self.sql("SELECT count(*) FROM dues.ledger_entry e JOIN dues.attempt a ON a.customer_id = e.customer_id AND "
                            f"a.attempt_id = e.group_id WHERE a.payment_id = '{payment['name'].split('/')[-1]}' AND e.line_no = 1"))

    def intent(self, payment):
        intents = self.intents(payment)
        self.assertEqual(len(intents), 1, intents)
        return intents[0]

    def get(self, payment):
        return self.call("PaymentService/GetPayment", {"name": payment["name"]})

    def refund(self, payment, minor_units):
        return self.call("PaymentService/CreateRefund",
                         {"parent": payment["name"], "requestId": uuid.uuid4().hex,
                          "refund": {"amount": {"currencyCode": "USD", "minorUnits": str(minor_units)}}})
