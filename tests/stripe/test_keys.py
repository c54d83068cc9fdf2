#!/usr/bin/env python3
"""`dues keys set|list|end`: a gateway's key and signing secrets, sealed at rest and changed under a running server."""

import hashlib
import hmac
import json
import os
import re
import ssl
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from stage import Stage  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from server import BUILD, until  # noqa: E402


class Keys(Stage):
    def keys(self, *words, key=""):
        return subprocess.run([os.path.join(BUILD, "dues"), "keys", *words, "--state-dir", self.server.directory],
                              capture_output=True, text=True, check=False, timeout=60, input=key)

    def stored(self):
        lines = self.keys("list").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "GENERATION", "KEY", "SINCE"])
        return [line.split()[:3] for line in lines[1:]]

    def test_the_key_rests_sealed_and_nowhere_else(self):
        socket = re.search(r"host='?([^' ]+)", self.settings["database"])[1]
        dump = subprocess.run(["psql", "-X", "-q", "-t", "-A", "-h", socket, "-U", "postgres", "-d", "dues", "-c",
                               "SELECT name, generation, hint, encode(sealed_key, 'escape') FROM dues.gateway_key"],
                              check=True, capture_output=True, text=True).stdout
        with open(os.path.join(self.server.directory, "duesd.conf"), encoding="ascii") as file:
            self.assertNotIn("sk_test", file.read())
        self.assertNotIn(self.secret, dump)
        self.assertIn(f"{self.secret[:8]}…{self.secret[-4:]}", dump)
        for name in ("cmdline", "environ"):
            with open(f"/proc/{self.server.duesd()}/{name}", "rb") as file:
                self.assertNotIn(self.secret.encode(), file.read())
        self.assertRegex(self.keys("count").stdout, r"(?m)^gateway_key +\d+ +0$")

    def test_a_key_that_is_none_is_not_stored(self):
        before = self.stored()
        for key, said in (("", "no key on standard input"), ("pk_test_1\n", "not a secret key of Stripe"),
                          ("sk_test_a b\n", "blanks"), ("sk_test_0000000000000000\n", "it does not know the key"),
                          ("sk_live_0000000000000000\n", "for real money")):
            result = self.keys("set", "stripe", key=key)
            self.assertEqual(result.returncode, 1, key)
            self.assertIn(said, result.stderr)
            self.assertNotIn("0000000000", result.stderr + result.stdout)
        self.assertEqual(self.stored(), before)
        self.assertEqual(self.keys("set", "paypal").returncode, 2)

    def test_another_key_is_taken_up_without_a_restart(self):
        card, duesd, other = self.add_card("pm_card_visa"), self.server.duesd(), "sk_test_rolled" + uuid.uuid4().hex
        self.simulator("POST", "/_simulator/key", {"to": other})
        try:
            stored = self.keys("set", "stripe", key=other + "\n")
            self.assertEqual(stored.returncode, 0, stored.stderr)
            self.assertIn("knows the key", stored.stdout)
            self.assertIn("in use already", self.keys("set", "stripe", key=other + "\n").stdout)
            until(lambda: "gateway.key_changed" in self.server.said(), "the new key")
            self.simulator("POST", "/_simulator/key", {"end_first": True})
            self.secret = other  # who orders may use either
            self.simulator("GET", "/_simulator/faults")
            del self.secret

            payment = self.pay(card)

            self.assertEqual(payment["state"], "STATE_SUCCEEDED", payment)
            self.assertEqual(self.server.duesd(), duesd)
            self.assertNotIn(other, self.server.said())
        finally:
            self.simulator("POST", "/_simulator/key", {"to": "", "end_first": False})
            self.keys("set", "stripe", key=self.secret + "\n")
            until(lambda: self.server.said().count("gateway.key_changed") == 2, "the old key")

    def test_of_signing_secrets_the_one_before_counts_until_it_is_ended(self):
        with open(os.path.join(self.server.directory, "stripe.webhook-secret"), encoding="ascii") as file:
            simulators = file.read().strip()
        ours = f"whsec_{uuid.uuid4().hex}"
        stored = self.keys("set", "stripe-webhook", key=ours + "\n")
        self.assertEqual(stored.returncode, 0, stored.stderr)
        try:
            until(lambda: "gateway.secrets_changed" in self.server.said(), "the new secret")
            self.assertEqual([row[1:] for row in self.stored() if row[0] == "stripe-webhook"],
                             [["2", f"{ours[:8]}…{ours[-4:]}"], ["1", f"{simulators[:8]}…{simulators[-4:]}"]])
            for secret, status in ((simulators, 200), (ours, 200), ("whsec_nobodys", 400)):
                self.assertEqual(self.send_news(secret), status, secret)

            self.assertIn("1 ended", self.keys("end", "stripe-webhook").stdout)
            until(lambda: self.server.said().count("gateway.secrets_changed") == 2, "the end of the old one")

            for secret, status in ((simulators, 400), (ours, 200)):
                self.assertEqual(self.send_news(secret), status, secret)
        finally:
            self.keys("set", "stripe-webhook", key=simulators + "\n")

    def send_news(self, secret):
        """The status of an event that is none of ours, signed with the secret."""
        body = json.dumps({"id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": "charge.updated", "livemode": False,
                           "created": int(time.time()), "data": {"object": {"id": "ch_1", "object": "charge"}}}).encode()
        now = str(int(time.time()))
        tag = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(f"https://localhost:{self.settings['gateway_news_listen'].rsplit(':', 1)[1]}"
                                         "/v1/gateways/stripe/news", data=body, method="POST",
                                         headers={"Stripe-Signature": f"t={now},v1={tag}"})
        context = ssl.create_default_context(cafile=self.settings["stripe_ca_file"])
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code


if __name__ == "__main__":
    unittest.main()
