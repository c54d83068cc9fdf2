#!/usr/bin/env python3
"""`dues ledger verify` beside a server of `dues dev`, and on copies of its database that somebody has damaged."""

import json
import os
import re
import shutil
import subprocess
import time
import unittest

from server import BUILD, Server

DUES = os.path.join(BUILD, "dues")
POSTGRESQL = "/usr/lib/postgresql/15/bin"

# What a superuser can do to one customer's entries, and where it must be found.  {c}: the customer's id.
DAMAGES = {
    "edit": ("UPDATE dues.ledger_entry SET amount = amount + 100 WHERE customer_id = '{c}' AND position = 3",
             [("entry_changed", 3)]),
    "deletion": ("DELETE FROM dues.ledger_entry WHERE customer_id = '{c}' AND position = 2", [("entries_missing", 2)]),
    "swap": ("UPDATE dues.ledger_entry SET position = -1 WHERE customer_id = '{c}' AND position = 3;"
             "UPDATE dues.ledger_entry SET position = 3 WHERE customer_id = '{c}' AND position = 4;"
             "UPDATE dues.ledger_entry SET position = 4 WHERE customer_id = '{c}' AND position = -1",
             [("entry_changed", 3), ("entry_changed", 4)]),
    "truncation": ("DELETE FROM dues.ledger_entry WHERE customer_id = '{c}' AND position > 4",
                   [("entries_missing", 5)]),
    "truncation with its head": (
        "DELETE FROM dues.ledger_entry WHERE customer_id = '{c}' AND position > 4;"
        "UPDATE dues.customer SET ledger_count = 4, ledger_tail = (SELECT hash FROM dues.ledger_entry"
        " WHERE customer_id = '{c}' AND position = 4) WHERE customer_id = '{c}'", [("entries_missing", 5)]),
}


class Ledger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        subprocess.run([DUES, "demo", "--state-dir", cls.server.directory], check=True, capture_output=True, timeout=120)
        cls.customer = cls.ask("dues", "SELECT customer_id FROM dues.customer WHERE ledger_count >= 6 LIMIT 1")
        # A second start seals at once what was posted meanwhile.
        cls.server.dev.terminate()
        cls.server.dev.wait(60)
        cls.server.start()
        until = time.monotonic() + 60
        while cls.ask("dues", "SELECT count(*) FROM dues.customer c WHERE ledger_count > 0 AND NOT EXISTS (SELECT FROM"
                              " dues.ledger_sealed_head h WHERE h.customer_id = c.customer_id"
                              " AND h.position = c.ledger_count)") != "0":
            if time.monotonic() > until:
                raise AssertionError("the ledger was not sealed")
            time.sleep(0.2)

    @classmethod
    def ask(cls, database, sql):
        return cls.server.sql(sql, database)

    def copy(self):
        """A copy of the server's database, as a backup would have it; the configuration that names it."""
        name = f"copy_{self._testMethodName}"
        self.ask("postgres", f"CREATE DATABASE {name} OWNER dues_owner")
        dump = os.path.join(POSTGRESQL, "pg_dump")
        text = subprocess.run([dump, "-h", self.server.socket(), "-U", "postgres", "dues"], check=True,
                              capture_output=True).stdout
        subprocess.run(self.server.psql(database=name), input=text, check=True, capture_output=True)
        configuration = re.sub(r"^(database = .*dbname=)\S+", rf"\1{name}", self.server.configuration(), flags=re.MULTILINE)
        return name, self.server.write(name + ".conf", configuration)

    def verify(self, *options):
        """Exit status, findings, and the summary."""
        result = subprocess.run([DUES, "ledger", "verify", "-o", "json", *options], capture_output=True, text=True,
                                check=False, timeout=60)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        return result.returncode, lines[:-1], lines[-1] if lines else result.stderr

    def test_finds_the_ledger_of_a_running_server_intact_and_records_it(self):
        status, findings, summary = self.verify("--state-dir", self.server.directory)

        self.assertEqual((status, findings), (0, []))
        self.assertGreaterEqual(summary["entries"], 6)
        self.assertGreaterEqual(summary["checkpoint"], 1)
        self.assertEqual(summary["unsealed"], 0)
        self.assertEqual(self.ask("dues", "SELECT finding_count FROM dues.ledger_verification"
                                          " ORDER BY finish_time DESC LIMIT 1"), "0")

    def test_speaks_to_people(self):
        result = subprocess.run([DUES, "ledger", "verify", "--state-dir", self.server.directory], capture_output=True,
                                text=True, check=False, timeout=60)

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^\d+ entries of \d+ customers, 0 of them not sealed yet\n"
                                        r"checkpoint \d+:[0-9a-f]{64}\nintact\n$")

    def test_names_the_row_of_each_damage_in_a_copy(self):
        name, path = self.copy()
        self.assertEqual(self.verify("--config", path, "--read-only")[:2], (0, []))
        self.assertEqual(self.ask(name, "SELECT count(*) FROM dues.ledger_verification"),
                         self.ask("dues", "SELECT count(*) FROM dues.ledger_verification"))
        for what, (sql, expected) in DAMAGES.items():
            with self.subTest(what):
                self.ask(name, "DROP TABLE IF EXISTS kept_entry, kept_customer;"
                               "CREATE TABLE kept_entry AS SELECT * FROM dues.ledger_entry;"
                               "CREATE TABLE kept_customer AS SELECT * FROM dues.customer;"
                               + sql.format(c=self.customer))
                status, findings, summary = self.verify("--config", path, "--read-only")
                told = subprocess.run([DUES, "ledger", "verify", "--config", path, "--read-only"], capture_output=True,
                                      text=True, check=False, timeout=60).stdout.splitlines()[-1]
                self.ask(name, "DELETE FROM dues.ledger_entry; INSERT INTO dues.ledger_entry SELECT * FROM kept_entry;"
                               "UPDATE dues.customer c SET ledger_count = k.ledger_count, ledger_tail = k.ledger_tail"
                               " FROM kept_customer k WHERE k.customer_id = c.customer_id")

                self.assertEqual(status, 1)
                self.assertEqual([(one["finding"], one["position"]) for one in findings], expected)
                self.assertEqual({one["customer"] for one in findings}, {"customers/" + self.customer})
                self.assertEqual(summary["findings"], len(expected))
                self.assertEqual(told, "1 finding" if len(expected) == 1 else f"{len(expected)} findings")
                self.assertIn(self.customer, findings[0]["message"])

    def test_misses_a_checkpoint_that_was_kept_elsewhere(self):
        name, path = self.copy()
        summary = self.verify("--config", path)[2]
        kept = f"{summary['checkpoint']}:{summary['hash']}"
        self.ask(name, "DELETE FROM dues.ledger_checkpoint; DELETE FROM dues.ledger_sealed_head")

        self.assertEqual(self.verify("--config", path)[:2], (0, []))
        status, findings, _ = self.verify("--config", path, "--kept", kept)
        self.assertEqual((status, [one["finding"] for one in findings]), (1, ["checkpoint_lost"]))

    def test_says_what_keeps_it_from_looking(self):
        path = self.server.write("away.conf", self.server.configuration(
            database="host=/nonexistent dbname=dues user=dues_service"))

        self.assertEqual(self.verify("--config", path)[0], 69)
        self.assertEqual(self.verify("--state-dir", self.server.directory, "--kept", "five")[0], 78)
        self.assertEqual(subprocess.run([DUES, "ledger", "mend"], capture_output=True, check=False).returncode, 2)


if __name__ == "__main__":
    if shutil.which("psql") is None or not os.path.exists(os.path.join(POSTGRESQL, "pg_dump")):
        print("psql or pg_dump is missing")
        raise SystemExit(77)
    unittest.main(verbosity=2)
