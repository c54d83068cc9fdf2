#!/usr/bin/env python3
"""Webhooks as a receiver meets them: a real HTTPS server with a certificate of its own, which verifies with the ten lines
of docs/webhooks.md and nothing of ours; while duesd is killed in between."""

import http.server
import itertools
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))
from environment import Environment, until  # noqa: E402

BUILD = os.environ.get("DUES_BUILD", "build/release")
REQUESTS = itertools.count(1)


def documented():
    """The function is_ours, as docs/webhooks.md tells it."""
    with open(os.path.join(ROOT, "docs", "webhooks.md"), encoding="utf-8") as file:
        names = {}
        exec(re.search(r"```python\n(.*?)```", file.read(), re.DOTALL)[1], names)  # pylint: disable=exec-used
        return names["is_ours"]


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.got = []  # (headers, body, answer)
        self.answers = []  # for the next ones; then 200
        self.stall = None  # an event that the next answer waits for
        self.url = f"https://localhost:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def ids(self):
        return [headers["webhook-id"] for headers, _, _ in self.got]

    def taken(self):
        """The sequence numbers that were answered with 2xx, each once, in the order of their first answer."""
        numbers = [int(headers["webhook-sequence"]) for headers, _, answer in self.got if answer == 200]
        return list(dict.fromkeys(numbers))

    def handle_error(self, request, client_address):
        """A client that was killed is no error here."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):  # pylint: disable=invalid-name
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        stall, self.server.stall = self.server.stall, None
        if stall is not None:
            self.server.got.append((self.headers, body, None))
            stall.wait(30)
            return
        self.server.got.append((self.headers, body, answer))
        self.send_response(answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):  # pylint: disable=arguments-differ
        """Quiet."""


def make_certificate(directory):
    """Self-signed for localhost: its own authority."""
    path = os.path.join(directory, "receiver.pem")
    key = os.path.join(directory, "receiver.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", path],
                   check=True, capture_output=True)
    both = os.path.join(directory, "both.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in (path, key):
            with open(part, encoding="ascii") as file:
                out.write(file.read())
    return path, both


class Webhooks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.is_ours = staticmethod(documented())
        cls.scratch = tempfile.mkdtemp(prefix="dues-e2e-")
        os.chmod(cls.scratch, 0o755)
        authority, cls.certificate = make_certificate(cls.scratch)
        cls.server = Environment(BUILD, cls.scratch, {
            "webhook_ca_file": authority, "webhook_timeout_ms": "2000", "gateway_timeout_ms": "1000",
            "job_lease_ms": "6000", "job_poll_ms": "50"})
        cls.server.make()
        cls.server.start_postgres()
        cls.server.start_duesd()

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        shutil.rmtree(cls.scratch, ignore_errors=True)
        if status != 0:
            raise AssertionError("duesd did not end well")

    def setUp(self):
        self.receiver = Receiver(self.certificate)
        self.endpoint = self.call("CreateWebhookEndpoint", {"webhookEndpoint": {"url": self.receiver.url}})

    def tearDown(self):
        self.call("DeleteWebhookEndpoint", {"name": self.endpoint["name"]})
        self.receiver.shutdown()
        self.receiver.server_close()

    def call(self, method, request, service="Payment"):
        said = subprocess.run([os.path.join(BUILD, "dues"), "call", "--state-dir", self.server.state, "--target",
                               self.server.address, "--server-name", "localhost", f"{service}/{method}",
                               json.dumps(request)], capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def customer(self):
        return self.call("CreateCustomer", {}, "Membership")["name"]

    def card(self, customer):
        return self.call("CreatePaymentMethod", {"parent": customer, "paymentMethod": {"gatewayToken": "tok_visa"}})["name"]

    def pay(self, customer, card):
        pay = {"paymentMethod": card, "amount": {"currencyCode": "USD", "minorUnits": "999"}}
        self.call("CreatePayment", {"parent": customer, "payment": pay, "requestId": f"pay-{next(REQUESTS)}"})

    def test_delivers_in_order_and_signed(self):
        customer = self.customer()
        card = self.card(customer)
        for _ in range(3):
            self.pay(customer, card)
        until(lambda: len(self.receiver.got) == 4, "four deliveries")

        self.assertEqual(self.receiver.taken(), [1, 2, 3, 4])
        for headers, body, _ in self.receiver.got:
            self.assertTrue(self.is_ours(self.endpoint["secret"], headers, body))
            self.assertFalse(self.is_ours(self.endpoint["secret"], headers, body + b" "))
            told = json.loads(body)
            self.assertEqual(told["data"]["customer"], customer)
            self.assertLess(len(body), 20000)
        self.assertEqual(json.loads(self.receiver.got[1][1])["type"], "payment.succeeded")

    def test_tries_again_after_five_seconds_and_keeps_the_order(self):
        self.receiver.answers = [500]
        begin = time.monotonic()
        customer = self.customer()
        self.pay(customer, self.card(customer))
        until(lambda: len(self.receiver.got) == 3, "three requests")

        self.assertGreater(time.monotonic() - begin, 5)
        self.assertEqual(self.receiver.ids()[0], self.receiver.ids()[1])
        self.assertEqual(self.receiver.taken(), [1, 2])

    def test_loses_nothing_when_it_is_killed(self):
        """Killed while the receiver holds the request: sent, not answered, not recorded."""
        customer = self.customer()
        card = self.card(customer)
        until(lambda: self.receiver.taken() == [1], "the first delivery")
        for kill in range(2):
            held = self.receiver.stall = threading.Event()
            before = len(self.receiver.got)
            self.pay(customer, card)
            until(lambda: len(self.receiver.got) > before, "a request that is held")  # pylint: disable=cell-var-from-loop
            self.server.kill_duesd()
            held.set()
            self.server.start_duesd()
            self.pay(customer, card)
            until(lambda: self.receiver.taken() == list(range(1, 4 + 2 * kill)), "what was cut off and what came after")

        bodies = {}
        for headers, body, _ in self.receiver.got:
            self.assertEqual(bodies.setdefault(headers["webhook-id"], body), body)
        self.assertEqual(len(bodies), 5)
        for cut in (headers["webhook-id"] for headers, _, answer in self.receiver.got if answer is None):
            self.assertGreater(self.receiver.ids().count(cut), 1)

    def test_signs_with_both_secrets_while_they_overlap(self):
        rotated = self.call("RotateWebhookSecret", {"name": self.endpoint["name"], "overlap": "20s"})
        begun = time.monotonic()
        self.customer()
        until(lambda: len(self.receiver.got) == 1, "a delivery")
        time.sleep(max(0.0, begun + 20.5 - time.monotonic()))
        self.customer()
        until(lambda: len(self.receiver.got) == 2, "another")

        (during, first, _), (after, second, _) = self.receiver.got
        self.assertTrue(self.is_ours(self.endpoint["secret"], during, first))
        self.assertTrue(self.is_ours(rotated["secret"], during, first))
        self.assertFalse(self.is_ours(self.endpoint["secret"], after, second))
        self.assertTrue(self.is_ours(rotated["secret"], after, second))

    def test_stops_at_410_and_goes_on_when_it_is_enabled(self):
        self.receiver.answers = [410]
        self.customer()
        until(lambda: self.call("GetWebhookEndpoint", {"name": self.endpoint["name"]})["state"] == "STATE_DISABLED",
              "the end of the endpoint")
        time.sleep(1)
        self.assertEqual(len(self.receiver.got), 1)
        self.call("UpdateWebhookEndpoint", {"webhookEndpoint": {"name": self.endpoint["name"], "state": "STATE_ENABLED"}})
        until(lambda: len(self.receiver.got) == 3, "what was pending")

        self.assertEqual(self.receiver.taken(), [1, 2])
        self.assertEqual(json.loads(self.receiver.got[2][1])["type"], "webhook_endpoint.disabled")

    def test_delivers_again_when_asked(self):
        customer = self.customer()
        until(lambda: len(self.receiver.got) == 1, "a delivery")
        listed = self.call("ListWebhookDeliveries", {"parent": self.endpoint["name"], "customer": customer})
        self.call("RedeliverWebhook", {"name": listed["webhookDeliveries"][0]["name"]})
        until(lambda: len(self.receiver.got) == 2, "the same again")

        self.assertEqual(self.receiver.ids()[0], self.receiver.ids()[1])

    def test_shows_deliveries_as_they_go(self):
        with subprocess.Popen([os.path.join(BUILD, "dues"), "webhooks", "listen", "--state-dir", self.server.state, "--target",
                               self.server.address, "--server-name", "localhost", "--forward-to", self.receiver.url,
                               "--type", "customer.*"], stdout=subprocess.PIPE, text=True) as listen:
            first, secret = listen.stdout.readline(), listen.stdout.readline().strip()
            self.receiver.got.clear()
            customer = self.customer()
            line = listen.stdout.readline()
            listen.terminate()
            self.assertEqual(listen.wait(30), 0)

        self.assertIn(f" delivers to {self.receiver.url} ", first)
        self.assertRegex(line, rf"  customer\.created  {customer}  1  delivered 200  \d+ ms\n")
        until(lambda: len(self.receiver.got) == 2, "both endpoints' deliveries")
        self.assertTrue(any(self.is_ours(secret, headers, body) for headers, body, _ in self.receiver.got))
        gone = [endpoint["name"] for endpoint in self.call("ListWebhookEndpoints", {})["webhookEndpoints"]]
        self.assertEqual(gone, [self.endpoint["name"]])

    def test_does_not_believe_another_certificate(self):
        other = tempfile.mkdtemp(prefix="dues-e2e-")
        try:
            _, certificate = make_certificate(other)
            stranger = Receiver(certificate)
            endpoint = self.call("CreateWebhookEndpoint", {"webhookEndpoint": {"url": stranger.url}})
            customer = self.customer()
            wanted = {"parent": endpoint["name"], "customer": customer}
            until(lambda: self.call("ListWebhookDeliveries", wanted)["webhookDeliveries"][0].get("attempts"), "an attempt")

            attempt = self.call("ListWebhookDeliveries", wanted)["webhookDeliveries"][0]["attempts"][0]
            self.assertIn("not reached", attempt["problem"])
            self.assertEqual(stranger.got, [])
            self.call("DeleteWebhookEndpoint", {"name": endpoint["name"]})
            stranger.shutdown()
            stranger.server_close()
        finally:
            shutil.rmtree(other, ignore_errors=True)


if __name__ == "__main__":
    print(f"the programs of {BUILD}")
    unittest.main()
