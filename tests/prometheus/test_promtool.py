#!/usr/bin/env python3
"""Prometheus' own tool on the rules, on their cases, and on the page of the shipped server after the whole demo."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))
from environment import until  # noqa: E402
from server import BUILD, TOOLS, Server  # noqa: E402

DEPLOY = os.path.join(HERE, "..", "..", "deploy", "prometheus")


def promtool():
    fetched = os.path.abspath(os.path.join(TOOLS, "promtool"))
    return fetched if os.access(fetched, os.X_OK) else shutil.which("promtool")


def run(*arguments, **options):
    return subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False, timeout=150, **options)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Rules(unittest.TestCase):
    def test_the_rules_and_the_scrape_are_well_formed(self):
        for command in (("check", "rules", "dues.rules.yml"), ("check", "config", "prometheus.yml")):
            result = run(*command, cwd=DEPLOY)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_alert_fires_when_it_must_and_only_then(self):
        result = run("test", "rules", "dues.rules.test.yml", cwd=DEPLOY)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_rule_that_never_fires_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in ("dues.rules.yml", "dues.rules.test.yml"):
                shutil.copy(os.path.join(DEPLOY, name), directory)
            path = os.path.join(directory, "dues.rules.yml")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("dues_database_up == 0", "dues_database_up == 2"))
            self.assertNotEqual(run("test", "rules", "dues.rules.test.yml", cwd=directory).returncode, 0)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        try:
            cls.server.start()
            demo = subprocess.run([os.path.join(BUILD, "dues"), "demo", "--state-dir", cls.server.directory],
                                  capture_output=True, text=True, check=False, timeout=240)
            if demo.returncode != 0:
                raise AssertionError(demo.stdout + demo.stderr)
            with open(os.path.join(cls.server.directory, "duesd.conf"), encoding="utf-8") as file:
                cls.socket = re.search(r"^metrics_listen = unix:(.*)$", file.read(), re.MULTILINE)[1]
        except BaseException:
            cls.server.stop()
            raise

    @classmethod
    def tearDownClass(cls):
        if cls.server.stop() != 0:
            raise AssertionError("dues dev did not end well")

    def get(self, path):
        connection = UnixConnection(self.socket)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def test_the_page_is_clean(self):
        until(lambda: "\ndues_attempts_unknown " in self.get("/metrics")[1], "an answer of the database")
        status, page = self.get("/metrics")
        self.assertEqual(status, 200)
        result = run("check", "metrics", input=page)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))
        self.assertIn('dues_payments_total{outcome="succeeded",decline_code=""} ', page)
        self.assertNotIn('dues_payments_total{outcome="succeeded",decline_code=""} 0\n', page)

    def test_a_page_that_is_not_clean_is_found(self):
        page = self.get("/metrics")[1].replace("# TYPE dues_fibers gauge", "# TYPE dues_fibers counter")
        self.assertNotEqual(run("check", "metrics", input=page).returncode, 0)


if __name__ == "__main__":
    if promtool() is None:
        print("SKIPPED: there is no promtool in build/tools or on the PATH (scripts/fetch-promtool)")
        sys.exit(77)
    unittest.main()
