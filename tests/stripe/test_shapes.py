#!/usr/bin/env python3
"""Each request of the gateway's own tests, once more to stripe-mock, which refuses what Stripe's description lacks."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
from processes import lasting_port  # noqa: E402

BUILD = os.environ["DUES_BUILD"]
PROGRAMS = ("unit_gateway_test_stripe", "unit_gateway_test_stripe_describe", "unit_gateway_test_stripe_card")


def stripe_mock():
    built = os.path.join(os.environ["DUES_TOOLS"], "stripe-mock")
    return built if os.access(built, os.X_OK) else shutil.which("stripe-mock")


class Shapes(unittest.TestCase):
    def setUp(self):
        # With one address only it takes a well-known port for the other.
        self.port, other = lasting_port(), lasting_port()
        self.log = tempfile.TemporaryFile()
        self.addCleanup(self.log.close)
        self.mock = subprocess.Popen(
            [stripe_mock(), "-strict-version-check", "-http-addr", f"127.0.0.1:{self.port}", "-https-addr",
             f"127.0.0.1:{other}"], stdout=self.log, stderr=subprocess.STDOUT)
        self.addCleanup(self.stop)
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.fail("stripe-mock does not start")

    def stop(self):
        self.mock.terminate()
        self.mock.wait()

    def seen(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def run_program(self, name):
        environment = dict(os.environ, DUES_STRIPE_MOCK=str(self.port))
        return subprocess.run([os.path.join(BUILD, "tests", name)], env=environment, capture_output=True, text=True,
                              check=False, timeout=100)

    def test_every_request_has_the_form_that_stripe_describes(self):
        for name in PROGRAMS:
            result = self.run_program(name)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

        seen = self.seen()
        for path in ("POST /v1/payment_intents", "/capture", "/cancel", "POST /v1/refunds", "POST /v1/customers",
                     "POST /v1/setup_intents", "/attach", "GET /v1/payment_intents/search", "GET /v1/refunds",
                     "GET /v1/payment_methods/", "GET /v1/customers/"):
            self.assertIn(path, seen)

    def test_a_request_of_another_form_would_be_seen(self):
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"POST /v1/refunds HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk_test_1\r\n"
                           b"Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
                           b"Content-Length: 11\r\n\r\nnonsense=1x")
            self.assertIn(b" 400 ", client.recv(64))


if __name__ == "__main__":
    if stripe_mock() is None:
        print("SKIPPED stripe_shapes: there is no stripe-mock here")
        sys.exit(77)
    unittest.main()
