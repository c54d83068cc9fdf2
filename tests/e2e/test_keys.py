#!/usr/bin/env python3
"""`dues keys rotate` and `dues customers erase` as an operator meets them: beside a server under load, killed at any
moment, and with nothing of the person left afterwards."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest

from beside import BesideDev
from test_dev import BUILD, DUES, text_of, until

CUSTOMERS = 6
CALLERS = 3
KILLS = (0.02, 0.1, 0.3, 0.8, 2.0)
CANARIES = ("Canary-Displayname", "canary.person@example.org", "Canary-Description", "Canary-Phone")


class Load:
    """Payments one after another; what did not work is kept."""

    def __init__(self, test, methods):
        self.test, self.methods = test, methods
        self.failed, self.count, self.over = [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        choice = random.Random(seed)
        while not self.over.is_set():
            method = choice.choice(self.methods)
            result = self.test.try_call("Payment/CreatePayment", self.test.payment(method))
            self.count += 1
            if result.returncode != 0:
                self.failed.append(result.stderr)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


class Keys(BesideDev):
    def payment(self, method, description=""):
        return {"parent": method.split("/paymentMethods/")[0], "requestId": f"request-{os.getpid()}-{next(self.numbers)}",
                "payment": {"amount": {"currencyCode": "EUR", "minorUnits": "995"}, "paymentMethod": method,
                            "description": description}}

    def given_method(self, customer=None):
        return self.given_card(customer or self.given_customer())

    def key_file(self):
        return text_of(self.state, "master.key").split()

    def socket(self):
        return re.search(r"^database = host='?([^' ]+)", text_of(self.state, "duesd.conf"), re.MULTILINE)[1]

    def psql(self, sql):
        return subprocess.run(["psql", "-X", "-q", "-t", "-A", "-h", self.socket(), "-U", "postgres", "-d", "dues", "-c", sql],
                              check=True, capture_output=True, text=True).stdout.strip()

    def set_key(self, key):
        return subprocess.run([DUES, "keys", "set", "stripe", "--state-dir", self.state], capture_output=True, text=True,
                              timeout=60, check=False, input=key + "\n")

    def test_a_key_of_the_other_mode_is_refused_also_when_no_gateway_can_be_asked(self):
        first = self.set_key("sk_test_0000000000000001")
        other = self.set_key("sk_live_0000000000000002")
        restricted = self.set_key("rk_test_0000000000000003")

        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("stripe_url is not set", first.stdout)
        self.assertEqual((other.returncode, other.stdout), (1, ""))
        self.assertIn("the key is for real money and the one in use for tests", other.stderr)
        self.assertEqual(restricted.returncode, 0, restricted.stderr)
        self.assertIn("rk_test_…0003", self.dues("keys", "list").stdout)
        listed = [json.loads(line) for line in self.dues("keys", "list", "-o", "json").stdout.splitlines()]
        self.assertEqual([(key["name"], key["key"], key["newest"]) for key in listed],
                         [("stripe", "rk_test_…0003", True)])

    def test_counts_for_machines(self):
        counted = self.dues("keys", "count", "-o", "json")
        unfit = self.dues("keys", "rotate", "-o", "json")

        rows = {row["table"]: row for row in map(json.loads, counted.stdout.splitlines())}
        self.assertEqual(counted.returncode, 0, counted.stderr)
        self.assertEqual(rows["customer_data_key"]["old_rows"], 0)
        self.assertRegex(rows["customer_data_key"]["key"], "^[0-9a-f]+$")
        self.assertEqual((unfit.returncode, unfit.stdout), (2, ""))
        self.assertIn("-o json is for keys list and count", unfit.stderr)

    def test_a_rotation_under_load_fails_no_call_and_leaves_nothing_on_the_old_key(self):
        methods = [self.given_method() for _ in range(CUSTOMERS)]
        before = self.key_file()
        load = Load(self, methods)

        for delay in KILLS:
            rotation = subprocess.Popen([DUES, "keys", "rotate", "--state-dir", self.state], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
            time.sleep(delay)
            rotation.send_signal(signal.SIGKILL)
            rotation.wait(60)
        unknown = self.dues("keys", "set", "nosuch")
        self.assertEqual((unknown.returncode, unknown.stderr.splitlines()[0]),
                         (2, "dues: there is no such key; the names are stripe and stripe-webhook"))
        self.assertNotIn("duesd", unknown.stderr)
        said = self.dues("keys", "rotate")
        again = self.dues("keys", "count")
        methods.append(self.given_method())
        time.sleep(1)
        load.end()

        print(said.stdout)
        print(f"{load.count} payments meanwhile, {len(load.failed)} failed")
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("0 rows hang on an old key", said.stdout)
        self.assertEqual((again.returncode, again.stderr), (0, ""), again.stdout)
        self.assertEqual(load.failed, [])
        self.assertGreater(load.count, 20)
        self.assertNotEqual(self.key_file()[0], before[0])
        self.assertEqual(self.key_file()[-1], before[0])

        # Without the old key, and after a kill -9 and a start.
        forgotten = self.dues("keys", "forget")
        self.assertEqual((forgotten.returncode, forgotten.stderr), (0, ""))
        self.assertEqual(len(self.key_file()), 1)
        self.restart()
        for method in methods:
            self.call("Payment/CreatePayment", self.payment(method))
        doctor = self.dues("doctor")
        self.assertEqual(doctor.returncode, 0, doctor.stdout)
        self.assertRegex(doctor.stdout, r"master_key +key [0-9a-f]{16} from a file, in use for 0 days")

    def test_two_custodians_and_a_credential_can_keep_the_key(self):
        key = bytes.fromhex(self.key_file()[0])
        share = os.urandom(32)
        for name, text in (("a.share", share), ("b.share", bytes(x ^ y for x, y in zip(key, share)))):
            path = os.path.join(self.scratch, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(text.hex() + "\n")
            os.chmod(path, 0o600)
        configuration = text_of(self.state, "duesd.conf")
        for source, words in ((f"shares:{self.scratch}/a.share,{self.scratch}/b.share", "two shares"),
                              ("credential:master.key", "a credential")):
            path = os.path.join(self.scratch, "keys.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(re.sub(r"^master_key_file = .*$", f"master_key_file = {source}", configuration,
                                  flags=re.MULTILINE))
            result = subprocess.run([DUES, "doctor", "--config", path], capture_output=True, text=True, timeout=60,
                                    check=False, env={**os.environ, "CREDENTIALS_DIRECTORY": self.state})
            self.assertRegex(result.stdout, rf"ok +master_key +key [0-9a-f]+ from {words}")

    def given_person(self):
        """A user with a word of its own in each text that the house keeps."""
        name, email, description, _ = CANARIES
        signed_up = self.call("Auth/SignUp", {"email": email, "password": "correct horse battery staple",
                                              "displayName": name, "requestId": "sign-up-of-the-canary"}, who="app-demo")
        customer = signed_up["customer"]
        method = self.given_method(customer)
        payment = self.call("Payment/CreatePayment", self.payment(method, description))
        return customer, method, payment["name"]

    def dump(self):
        return subprocess.run(["pg_dump", "-h", self.socket(), "-U", "postgres", "dues"], check=True, capture_output=True,
                              text=True).stdout

    def ledger(self):
        return self.psql("SELECT account, currency, sum(amount), count(*) FROM dues.ledger_entry GROUP BY 1, 2 ORDER BY 1, 2")

    def test_of_an_erased_customer_nothing_is_left_but_what_money_moved(self):
        customer, method, payment = self.given_person()
        before = self.ledger()
        dump = self.dump()
        self.assertEqual([word for word in CANARIES[:3] if word not in dump], [])

        said = self.dues("customers", "erase", customer)

        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("its data key is destroyed", said.stdout)
        dump = self.dump()
        self.assertEqual([word for word in CANARIES if word.lower() in dump.lower()], [])
        self.assertEqual(self.ledger(), before)
        self.assertEqual(self.psql("SELECT count(*) FROM dues.ledger_entry GROUP BY customer_id, group_id, kind, currency"
                                   " HAVING sum(amount) <> 0"), "")
        verified = self.dues("ledger", "verify")
        self.assertEqual((verified.returncode, verified.stderr), (0, ""), verified.stdout)
        kept = self.call("Payment/GetPayment", {"name": payment})
        self.assertEqual((kept["amount"]["minorUnits"], kept.get("description", "")), ("995", ""))
        self.assertEqual(self.psql(f"SELECT count(*) FROM dues.customer_data_key WHERE wrapped_key IS NULL AND customer_id ="
                                   f" '{customer.split('/')[1]}'"), "1")
        self.assertNotEqual(self.try_call("Payment/CreatePayment", self.payment(method)).returncode, 0)
        more = self.try_call("Payment/CreatePaymentMethod",
                             {"parent": customer, "paymentMethod": {"gatewayToken": "tok_visa"}})
        self.assertIn("NOT_FOUND", more.stderr)
        # Who comes back is somebody else.
        again = self.call("Auth/SignUp", {"email": CANARIES[1], "password": "correct horse battery staple",
                                          "displayName": CANARIES[0], "requestId": "sign-up-of-the-canary"}, who="app-demo")
        self.assertNotEqual(again["customer"], customer)

    def test_says_why_it_does_not_erase(self):
        nobody = self.dues("customers", "erase", "customers/0198c0de-0000-7000-8000-000000000000")
        wrong = self.dues("customers", "erase", "payments/1")

        self.assertEqual((nobody.returncode, wrong.returncode), (1, 1))
        self.assertIn("there is no customers/0198c0de", nobody.stderr)
        self.assertIn("is not customers/ and an id", wrong.stderr)


if __name__ == "__main__":
    print(f"build: {BUILD}")
    until(lambda: os.access(DUES, os.X_OK), "the build", 1)
    unittest.main(verbosity=2)
