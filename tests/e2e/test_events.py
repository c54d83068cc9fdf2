#!/usr/bin/env python3
"""`dues events tail` and docs/events.md as a person meets them: what happened, what happens, over a restart of the server."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import unittest

from beside import BesideDev
from test_dev import BUILD, DUES, text_of

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
from processes import lasting_port  # noqa: E402

TOOLS = os.environ.get("DUES_TOOLS", "build/tools")
DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "events.md")
PATIENCE_SECONDS = 60


class Tail:
    """`dues events tail`, line by line."""

    def __init__(self, state, *options):
        self.process = subprocess.Popen([DUES, "events", "tail", "--state-dir", state, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def next(self):
        return self.lines.get(timeout=PATIENCE_SECONDS)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)
        self.reader.join()
        self.said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


class Events(BesideDev):
    listen = f"127.0.0.1:{lasting_port()}"  # the same after a restart

    def setUp(self):
        self.customer = self.given_customer()
        self.card = self.given_card(self.customer)
        self.payments = 0

    def pay(self):
        self.payments += 1
        return self.call("Payment/CreatePayment", {
            "parent": self.customer, "requestId": f"r-{self.payments}",
            "payment": {"amount": {"currencyCode": "USD", "minorUnits": "999"}, "paymentMethod": self.card}})["name"]

    def test_tells_a_person_what_happened(self):
        payment = self.pay()
        result = subprocess.run([DUES, "events", "tail", "--state-dir", self.state, "--customer",
                                 self.customer.split("/")[1], "--count", "2"],
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = result.stdout.splitlines()
        self.assertRegex(first, rf"^\S+Z  1  customer\.created  {self.customer}$")
        self.assertRegex(second, rf"^\S+Z  \d  payment\.succeeded  {payment}  amount=999  currency=USD  decline_code=$")

    def test_follows_over_a_restart_without_gap_or_repetition(self):
        self.pay()
        tail = Tail(self.state, "--customer", self.customer, "-o", "json")
        try:
            events = [json.loads(tail.next()), json.loads(tail.next())]
            self.pay()
            events.append(json.loads(tail.next()))
            self.restart()
            self.pay()
            events.append(json.loads(tail.next()))
            self.assertTrue(tail.lines.empty())
        finally:
            tail.end()
        away, back = "dues: the server is away; the stream goes on when it is back\n", "dues: the server is back\n"
        self.assertRegex(tail.said, f"^({away}{back})+$")
        self.assertEqual([event["sequence"] for event in events], ["1", "2", "3", "4"])
        self.assertEqual(events[3]["data"]["amount"], "999")
        self.assertEqual(events[3]["type"], "payment.succeeded")

    def test_begins_after_a_cursor(self):
        self.pay()
        self.pay()
        events = self.call("Payment/ListEvents", {"parent": self.customer})["events"]
        tail = Tail(self.state, "--customer", self.customer, "-o", "json", "--after", events[1]["cursor"])
        try:
            self.assertEqual(json.loads(tail.next())["sequence"], events[2]["sequence"])
        finally:
            tail.end()

    def test_says_why_it_cannot_follow(self):
        result = subprocess.run([DUES, "events", "tail", "--state-dir", self.state, "--customer", self.customer,
                                 "--after", "17"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 64 + 3)
        self.assertIn("INVALID_ARGUMENT CURSOR_INVALID", result.stderr)
        for line, reason in ((("tail",), "needs --customer"), (("head",), "events knows tail"),
                             (("tail", "--customer", "c", "-o", "yaml"), "-o knows json")):
            result = subprocess.run([DUES, "events", *line], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(result.returncode, 2)
            self.assertIn(reason, result.stderr)

    def test_the_documented_grpcurl_works(self):
        grpcurl = os.path.join(TOOLS, "grpcurl")
        if not os.access(grpcurl, os.X_OK):
            grpcurl = shutil.which("grpcurl")
        if grpcurl is None:
            self.skipTest("there is no grpcurl in build/tools or on the PATH")
        self.pay()
        with open(DOC, encoding="utf-8") as file:
            command = re.search(r"^(grpcurl .*?WatchEvents)$", file.read(), re.MULTILINE | re.DOTALL)[1]
        command = (command.replace("grpcurl ", f"{grpcurl} -max-time 3 ", 1).replace("customers/ID", self.customer)
                   .replace("…", "").replace("certs/", os.path.join(self.state, "certs", ""))
                   .replace("127.0.0.1:8443", text_of(self.state, "ready").strip()))
        result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
        self.assertIn('"type": "customer.created"', result.stdout, result.stderr)
        self.assertIn('"type": "payment.succeeded"', result.stdout)
        self.assertIn("DeadlineExceeded", result.stderr)


if __name__ == "__main__":
    if not os.access(os.path.join(BUILD, "dues"), os.X_OK):
        raise SystemExit("there is no dues in DUES_BUILD")
    unittest.main()
