#!/usr/bin/env python3
"""`dues doctor` and `dues top` beside a server of `dues dev`: on what is right, and on what somebody has broken."""

import json
import os
import subprocess
import unittest

from server import BUILD, Server

DUES = os.path.join(BUILD, "dues")


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def examine(self, *options, changes=()):
        """Exit status and findings, on the server's configuration with some keys changed."""
        path = self.server.write("doctor.conf", self.server.configuration(**dict(changes)))
        result = subprocess.run([DUES, "doctor", "--config", path, "-o", "json", *options], capture_output=True,
                                text=True, check=False, timeout=60)
        return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]

    def messages(self, findings, kind):
        return " | ".join(f"{one['topic']}: {one['message']}" for one in findings if one["finding"] == kind)

    def test_finds_nothing_wrong_beside_a_running_server(self):
        status, findings = self.examine()

        self.assertEqual((status, self.messages(findings, "failed")), (0, ""))
        self.assertIn("a server answers", self.messages(findings, "ok"))
        self.assertIn("master_key: opens the 2 signing keys of the database", self.messages(findings, "ok"))
        self.assertNotIn("certificates:", self.messages(findings, "warning"))
        self.assertEqual({"versions", "secrets", "master_key", "certificates", "database", "durability", "role", "clock", "limits",
                          "ports", "guards"} - {one["topic"] for one in findings}, set())

    def test_speaks_to_people_one_line_a_finding(self):
        result = subprocess.run([DUES, "doctor", "--state-dir", self.server.directory], capture_output=True, text=True,
                                check=False, timeout=60)

        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertRegex(result.stdout, r"\nok +durability +fsync and full_page_writes on")
        self.assertRegex(result.stdout.splitlines()[-1], r"^\d+ ok, (1 warning|(?!1 )\d+ warnings), 0 failed$")

    def test_sees_a_commit_that_a_crash_would_lose(self):
        self.server.sql("ALTER ROLE dues_service SET synchronous_commit = off")
        self.addCleanup(self.server.sql, "ALTER ROLE dues_service RESET synchronous_commit")

        status, findings = self.examine()

        self.assertEqual(status, 1)
        self.assertIn("durability: synchronous_commit is off", self.messages(findings, "failed"))

    def test_sees_a_role_that_may_edit_the_ledger(self):
        self.server.sql("GRANT UPDATE ON dues.ledger_entry TO dues_service")
        self.addCleanup(self.server.sql, "REVOKE UPDATE ON dues.ledger_entry FROM dues_service")

        status, findings = self.examine()

        self.assertEqual(status, 1)
        self.assertIn("may write tables directly (1)", self.messages(findings, "failed"))

    def test_sees_a_database_of_another_version(self):
        self.server.sql("UPDATE migration.applied SET checksum = 'x' WHERE name LIKE '0001%'")
        self.addCleanup(self.server.sql, "UPDATE migration.applied SET checksum = "
                        f"'{self.applied_checksum()}' WHERE name LIKE '0001%'")

        status, findings = self.examine()

        self.assertEqual(status, 1)
        self.assertIn("duesd migrate", self.messages(findings, "failed"))

    def applied_checksum(self):
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "migrations", "checksums"), encoding="ascii") as file:
            for line in file:
                checksum, name = line.split()
                if os.path.basename(name).startswith("0001"):
                    return checksum
        raise AssertionError("no checksum of 0001")

    def test_sees_a_secret_that_others_can_read(self):
        path = os.path.join(self.server.scratch, "open.key")
        with open(path, "w", encoding="ascii") as file:
            file.write("00" * 32 + "\n")
        os.chmod(path, 0o644)

        status, findings = self.examine(changes=[("master_key_file", path)])

        self.assertEqual(status, 1)
        self.assertIn("master_key_file: ", self.messages(findings, "failed"))
        self.assertIn("mode 644", self.messages(findings, "failed"))

    def given_master_key(self, text):
        path = os.path.join(self.server.scratch, "other.key")
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def test_sees_a_master_key_that_did_not_seal_the_keys_of_the_database(self):
        status, findings = self.examine(changes=[("master_key_file", self.given_master_key("5a" * 32))])

        self.assertEqual(status, 1)
        self.assertIn("master_key: does not open the data keys of the database",
                      self.messages(findings, "failed"))
        self.assertIn("server certificate, key and CAs fit", self.messages(findings, "ok"))

    def test_sees_a_master_key_that_is_none(self):
        status, findings = self.examine(changes=[("master_key_file", self.given_master_key("none"))])

        self.assertEqual(status, 1)
        self.assertRegex(self.messages(findings, "failed"),
                         r'^master_key: master key file ".*/other\.key" does not hold 64 hex digits$')

    def test_does_not_know_about_the_master_key_while_the_database_is_away(self):
        _, findings = self.examine(changes=[("database", "host=/nonexistent dbname=dues user=dues_service")])

        self.assertIn("master_key: well-formed; whether it opens the signing keys of the database is not known",
                      self.messages(findings, "warning"))

    def given_certificate(self, name, *extension):
        path = os.path.join(self.server.scratch, name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                        "-subj", "/CN=dues", "-days", "90", "-keyout", path + ".key", "-out", path + ".pem", *extension],
                       check=True, capture_output=True)
        return [("tls_certificate", path + ".pem"), ("tls_key", path + ".key")]

    def test_warns_of_a_server_certificate_that_names_no_host(self):
        for name, extension in (("bare", []), ("uri", ["-addext", "subjectAltName=URI:spiffe://dues.local/server"])):
            status, findings = self.examine(changes=self.given_certificate(name, *extension))

            self.assertEqual((status, self.messages(findings, "failed")), (0, ""))
            self.assertIn("certificates: server certificate: its subjectAltName has no DNS name and no address",
                          self.messages(findings, "warning"))

    def test_is_content_with_a_server_certificate_that_names_an_address(self):
        changes = self.given_certificate("address", "-addext", "subjectAltName=IP:127.0.0.1")

        _, findings = self.examine(changes=changes)

        self.assertNotIn("subjectAltName", self.messages(findings, "warning"))

    def test_sees_a_key_of_another_certificate(self):
        status, findings = self.examine(changes=[("tls_key", os.path.join(self.server.certificates, "app-demo.key"))])

        self.assertEqual(status, 1)
        self.assertIn("certificates: tls_key", self.messages(findings, "failed"))

    def test_sees_a_database_that_does_not_answer(self):
        status, findings = self.examine(changes=[("database", "host=/nonexistent dbname=dues user=dues_service")])

        self.assertEqual(status, 1)
        self.assertIn("database: ", self.messages(findings, "failed"))

    def test_tells_a_free_port_from_one_that_somebody_else_has(self):
        free = self.examine(changes=[("listen", "127.0.0.1:0"), ("metrics_listen", "off")])
        taken = self.examine(changes=[("metrics_listen", "off")])

        self.assertIn("no server runs", self.messages(free[1], "ok"))
        self.assertIn("the port is taken", self.messages(taken[1], "warning"))

    def test_findings_that_a_full_disk_swallows_are_no_success(self):
        for words in (("doctor",), ("doctor", "-o", "json"), ("keys", "list"), ("keys", "count"), ("ledger", "verify", "--read-only")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                result = subprocess.run([DUES, *words, "--state-dir", self.server.directory], stdout=full, stderr=subprocess.PIPE,
                                        text=True, check=False, timeout=60)

            self.assertEqual((words, result.returncode), (words, 1))
            self.assertIn("duesd: standard output could not be written\n", result.stderr)

    def test_says_that_a_configuration_is_not_in_order_as_its_help_does(self):
        for words in (("doctor",), ("keys", "count"), ("ledger", "verify")):
            result = subprocess.run([DUES, *words, "--config", "/nonexistent/duesd.conf"], capture_output=True, text=True,
                                    check=False, timeout=60)
            told = subprocess.run([DUES, words[0], "--help"], capture_output=True, text=True, check=False, timeout=60).stdout

            self.assertEqual((words, result.returncode), (words, 78))
            self.assertRegex(told, r"(?s)exit status: .*\b78\b")

    def test_refuses_options_that_it_does_not_know(self):
        result = subprocess.run([DUES, "doctor", "-o", "xml"], capture_output=True, text=True, check=False, timeout=60)

        self.assertEqual(result.returncode, 2)
        self.assertIn("-o knows json", result.stderr)

    def top(self, *options):
        return subprocess.run([DUES, "top", *options], capture_output=True, text=True, check=False, timeout=60)

    def test_top_shows_what_the_server_does(self):
        load = subprocess.Popen([DUES, "call", "--state-dir", self.server.directory, "grpc.health.v1.Health/Watch"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            calls = subprocess.Popen("sleep 0.3; for i in 1 2 3 4; do " + DUES + " call --state-dir "
                                     + self.server.directory + " Membership/ListPlans; done", shell=True,
                                     stdout=subprocess.DEVNULL)
            result = self.top("--state-dir", self.server.directory, "--once", "--seconds", "3")
            calls.wait(60)
        finally:
            load.terminate()
            load.wait(60)

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^dues \d+\.\d+\.\d+   RSS [1-9]\d* MiB .* database up\n")
        self.assertRegex(result.stdout, r"\ndues\.membership\.v1\.MembershipService/ListPlans +\d+ +0 +[\d.]+ +[\d.]+\n")
        self.assertIn("LIVE CALLS", result.stdout)

    def test_top_says_when_nobody_answers(self):
        result = self.top("--metrics", "127.0.0.1:1", "--once")

        self.assertEqual(result.returncode, 1)
        self.assertIn("127.0.0.1:1/metrics", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
