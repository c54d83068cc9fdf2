"""Test cases beside one run of `dues dev`, which all tests of a class share."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from test_dev import DUES, Dev


class BesideDev(unittest.TestCase):
    listen = "127.0.0.1:0"

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="dues-e2e-")
        os.chmod(cls.scratch, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        cls.state = os.path.join(cls.scratch, "state")
        cls.numbers = itertools.count()
        cls.dev = Dev(cls.state, cls.listen).wait_ready()
        cls.addClassCleanup(lambda: cls.dev.end())  # pylint: disable=unnecessary-lambda; a test may start another

    def restart(self):
        self.assertEqual(self.dev.end(), 0)
        type(self).dev = Dev(self.state, self.listen).wait_ready()

    def dues(self, *arguments, state=True, stdout=subprocess.PIPE):
        return subprocess.run([DUES, *arguments, *(["--state-dir", self.state] if state else [])], stdout=stdout,
                              stderr=subprocess.PIPE, text=True, timeout=120, check=False)

    def try_call(self, method, request, who="service-billing", token=None):
        return self.dues("call", "--as", who, *(["--token", token] if token else []), method, json.dumps(request))

    def call(self, method, request, **options):
        result = self.try_call(method, request, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def given_customer(self):
        return self.call("Membership/CreateCustomer", {"customer": {"displayName": "Ada"}})["name"]

    def given_card(self, customer, token="tok_visa"):
        return self.call("Payment/CreatePaymentMethod",
                         {"parent": customer, "paymentMethod": {"gatewayToken": token}})["name"]
