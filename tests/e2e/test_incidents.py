#!/usr/bin/env python3
"""`dues incidents`: what the nightly comparison found is seen, and one operator alone does not resolve it; the ledger stays
whole."""

import itertools
import json
import os
import re
import shutil
import subprocess
import time
import unittest
import uuid

from server import Server
from test_dev import DUES


class Incidents(unittest.TestCase):
    numbers = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        with open(os.path.join(cls.server.directory, "duesd.conf"), encoding="utf-8") as file:
            cls.socket = re.search(r"^database = host='?([^' ]+)", file.read(), re.MULTILINE)[1]
        subprocess.run([DUES, "demo", "--state-dir", cls.server.directory], check=True, capture_output=True, timeout=120)

    @classmethod
    def sql(cls, text):
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", cls.socket, "-U", "postgres",
                               "-d", "dues", "-c", text], check=True, capture_output=True, text=True).stdout.strip()

    def dues(self, *arguments):
        return subprocess.run([DUES, *arguments, "--state-dir", self.server.directory], capture_output=True, text=True,
                              timeout=60, check=False)

    def reconcile(self):
        # A bare number could be one of a card, and would be refused.
        request = {"gateway": "sandbox", "requestId": f"run-{next(self.numbers)}"}
        run = self.dues("call", "Payment/RunReconciliation", json.dumps(request), "--as", "operator-demo")
        self.assertEqual(run.returncode, 0, run.stderr)
        name = json.loads(run.stdout)["name"]
        for _ in range(300):
            listed = json.loads(self.dues("call", "Payment/ListReconciliations", "{}", "--as", "operator-demo").stdout)
            for found in listed["reconciliations"]:
                if found["name"] == name and "finishTime" in found:
                    return found
            time.sleep(0.1)
        self.fail("the reconciliation does not end")

    def test_shows_what_was_found_and_wants_a_second_operator(self):
        customer = self.sql("SELECT customer_id FROM dues.attempt WHERE operation = 'CHARGE' AND state = 'SUCCEEDED'"
                            " AND NOT EXISTS (SELECT FROM dues.refund r WHERE r.customer_id = attempt.customer_id)"
                            " ORDER BY first_sent_time LIMIT 1")
        self.sql("UPDATE dues.attempt SET amount = amount - 1, first_sent_time = first_sent_time - interval '1 hour'"
                 f" WHERE customer_id = '{customer}' AND operation = 'CHARGE' AND state = 'SUCCEEDED'")

        self.assertEqual(self.reconcile()["state"], "STATE_SUCCEEDED")
        self.reconcile()
        table = self.dues("incidents", "list", "--customer", customer, "--kind", "amount_mismatch")
        found = [json.loads(line) for line in
                 self.dues("incidents", "list", "--customer", customer, "-o", "json").stdout.splitlines()]

        self.assertEqual({incident["kind"] for incident in found}, {"KIND_AMOUNT_MISMATCH"})
        self.assertIn("AMOUNT_MISMATCH", table.stdout)
        name = found[0]["name"]
        wish = ["incidents", "resolve", name, "--resolution", "post_from_suspense", "--account", "revenue", "--reason", "a test"]
        first = self.dues(*wish)
        again = self.dues(*wish)
        shown = self.dues("incidents", "show", name)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("another operator must ask for the same", first.stderr)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("INCIDENT_APPROVED_BY_YOU", again.stderr)
        self.assertIn("POST_FROM_SUSPENSE to revenue by spiffe://", shown.stdout)
        self.assertIn("0.01 USD", shown.stdout)
        second = self.dues(*wish[:-1], "a test, seen twice", "--as", "operator-second")
        self.assertEqual(second.returncode, 0, second.stderr)
        for asked, *who in ((first, "a test"), (second, "a test, seen twice", "--as", "operator-second")):
            repeat = re.search(r"the same with (--request-id \S+ --etag \S+)$", asked.stderr, re.MULTILINE)[1].split()
            repeated = self.dues(*wish[:-1], *who, *repeat)
            self.assertEqual(repeated.returncode, 0, repeated.stderr)
            self.assertIn("it was done before", repeated.stderr)
            self.assertEqual(repeated.stdout, asked.stdout)
        for _ in range(100):
            if "state          RESOLVED" in self.dues("incidents", "show", name).stdout:
                break
            time.sleep(0.1)
        self.assertIn("state          RESOLVED", self.dues("incidents", "show", name).stdout)
        verified = self.dues("ledger", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout)

    def test_says_what_is_wrong_with_a_command(self):
        for words in (["list", "x"], ["show"], ["resolve", "customers/1/incidents/2"], ["list", "--kind", "nothing"], ["mend"],
                      ["resolve", "customers/1/incidents/2", "--resolution", "ignore", "--reason", "x", "--request-id", "1"]):
            self.assertEqual(self.dues("incidents", *words).returncode, 2, words)
        house = "00000000-0000-8000-8000-000000000000"
        shown = self.dues("incidents", "show", f"customers/{house}/incidents/{uuid.uuid4()}")
        self.assertEqual(shown.returncode, 1, shown.stderr)


if __name__ == "__main__":
    if shutil.which("psql") is None:
        print("psql is missing")
        raise SystemExit(77)
    unittest.main()
