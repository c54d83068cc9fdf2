#!/usr/bin/env python3
"""`duesd revoke` as an operator meets it: a certificate was lost, and a moment later it is worth nothing."""

import os
import subprocess
import time
import unittest

from beside import BesideDev
from test_dev import BUILD, DUES, DUESD, until

WAIT_SECONDS = 30  # nobody is that slow; how long it took is printed


class Revocation(BesideDev):
    def works(self, who):
        return subprocess.run([DUES, "call", "--state-dir", self.state, "--as", who, "--deadline-ms", "1500",
                               "Membership/ListPlans"], capture_output=True, timeout=60, check=False).returncode == 0

    def revoke(self, *arguments):
        return subprocess.run([DUESD, "revoke", "--config", os.path.join(self.state, "duesd.conf"), *arguments],
                              capture_output=True, text=True, timeout=60, check=False)

    def certificate(self, name):
        return os.path.join(self.state, "certs", name + ".pem")

    def test_a_lost_certificate_is_refused_and_found_again(self):
        self.assertTrue(self.works("app-demo"))

        said = self.revoke("--certificate", self.certificate("app-demo"), "--reason", "lost")
        begin = time.monotonic()
        until(lambda: not self.works("app-demo"), "the refusal", WAIT_SECONDS)
        print(f"refused {time.monotonic() - begin:.1f} s after the command")
        again = self.revoke("--certificate", self.certificate("app-demo"), "--reason", "lost")

        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("is of spiffe://dues.local/app/app-demo", said.stdout)
        self.assertIn("revoked: servers refuse it", said.stdout)
        self.assertIn("nothing to do", again.stdout)
        self.assertTrue(self.works("service-billing"))

        key = said.stdout.split()[0]
        undone = self.revoke("--spki", key.upper(), "--undo")
        until(lambda: self.works("app-demo"), "the return", WAIT_SECONDS)
        self.assertEqual((undone.returncode, undone.stderr), (0, ""))
        self.assertIn("withdrawn", undone.stdout)

    def test_says_what_an_authority_takes_with_it(self):
        said = self.revoke("--certificate", self.certificate("ca"), "--reason", "a drill")
        undone = self.revoke("--certificate", self.certificate("ca"), "--undo")

        self.assertIn("what it issued falls with it", said.stdout)
        self.assertIn("withdrawn", undone.stdout)
        until(lambda: self.works("service-billing"), "the return", WAIT_SECONDS)

    def test_says_what_is_wrong(self):
        for arguments, status, words in (
                (("--reason", "no key"), 64, "usage"),
                (("--spki", "00" * 32), 64, "usage"),
                (("--spki", "00" * 32, "--undo", "--reason", "both"), 64, "usage"),
                (("--spki", "00" * 32, "--certificate", "x", "--reason", "both"), 64, "usage"),
                (("--spki", "00" * 31, "--reason", "short"), 1, "64 hex digits"),
                (("--spki", "0g" * 32, "--reason", "not hex"), 1, "64 hex digits"),
                (("--spki", "00" * 32, "--reason", ""), 1, "--reason takes 1 to 200 bytes"),
                (("--certificate", "/nowhere.pem", "--reason", "lost"), 1, "could not read /nowhere.pem"),
                (("--certificate", os.path.join(self.state, "duesd.conf"), "--reason", "lost"), 1,
                 "no certificate in PEM")):
            said = self.revoke(*arguments)
            self.assertEqual(said.returncode, status, (arguments, said.stderr))
            self.assertIn(words, said.stderr)
            self.assertEqual(said.stdout, "")


if __name__ == "__main__":
    print(f"the programs of {BUILD}")
    unittest.main()
