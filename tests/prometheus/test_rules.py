#!/usr/bin/env python3
"""The alert rules agree with what stands beside them: every alert has a summary, a paragraph in docs/operations.md, a
case in which it fires and one in which it does not; and it looks at nothing that no server tells."""

import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Of PromQL and of Prometheus itself.
NOT_OURS = {"up", "time", "sum", "max", "min", "by", "rate", "increase", "max_over_time", "and", "or", "job", "instance", "kind",
            "check", "cause", "gateway", "reason", "rpc_method", "rpc_grpc_status_code", "outcome", "state", "dues"}


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def blocks(text, key):
    """(name, what follows it until the next of its kind)."""
    parts = re.split(rf"^\s*-\s+{key}:\s*(\S+)\s*$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2]))


def fires(cases, alert):
    """How often the cases expect the alert, and how often they expect its silence."""
    found = {True: 0, False: 0}
    for match in re.finditer(rf"alertname: {alert}\b(.*?)(?=alertname:|\Z)", cases, re.DOTALL):
        found["exp_alerts: []" not in match[1]] += 1
    return found


def anchors(document):
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", document, re.MULTILINE)}


def wrong_in(rules, cases, document):
    """What is wrong, one line each."""
    wrong = []
    served = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|", document, re.MULTILINE))
    recorded = {name for name, _ in blocks(rules, "record")}
    for kind in ("alert", "record"):
        for name, body in blocks(rules, kind):
            expression = re.search(r"expr:(.*?)(?=\n\s+(?:for|labels|annotations):|\n\s*#|\n\s*- |\Z)", body, re.DOTALL)
            expression = re.sub(r'"[^"]*"', "", expression[1]) if expression else ""
            for word in re.findall(r"\b[a-z][a-z0-9_]*(?::[a-z0-9_:]+)?\b", expression):
                family = re.sub(r"_(count|sum|bucket)$", "", word)
                if word not in NOT_OURS | recorded | served and family not in served:
                    wrong.append(f"{name} looks at {word}, which no server tells")
    for alert, body in blocks(rules, "alert"):
        if not re.search(r"^\s+summary: \S", body, re.MULTILINE):
            wrong.append(f"{alert} has no summary")
        runbook = re.search(r"runbook: docs/operations\.md#(\S+)", body)
        if not runbook or runbook[1] not in anchors(document):
            wrong.append(f"{alert} has no paragraph in docs/operations.md")
        if not re.search(r"severity: (page|ticket|info)\s", body):
            wrong.append(f"{alert} has no severity")
        for expected, count in fires(cases, alert).items():
            if count == 0:
                wrong.append(f"{alert} has no case in which it {'fires' if expected else 'does not fire'}")
    return wrong


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = text_of("deploy", "prometheus", "dues.rules.yml")
        cls.cases = text_of("deploy", "prometheus", "dues.rules.test.yml")
        cls.document = text_of("docs", "operations.md")

    def test_every_alert_is_whole(self):
        self.assertEqual(wrong_in(self.rules, self.cases, self.document), [])
        self.assertGreaterEqual(len(blocks(self.rules, "alert")), 11)

    def test_finds_what_is_missing(self):
        planted = [
            (self.rules.replace("summary: \"nobody", "note: \"nobody"), self.cases, self.document,
             "DuesPaymentsUnknown has no summary"),
            (self.rules.replace("#duesdown", "#nowhere"), self.cases, self.document,
             "DuesDown has no paragraph in docs/operations.md"),
            (self.rules, self.cases, self.document.replace("### DuesOverloaded", "### Full"),
             "DuesOverloaded has no paragraph in docs/operations.md"),
            (self.rules.replace("dues_database_up == 0", "dues_database_gone == 1"), self.cases, self.document,
             "DuesDatabaseAway looks at dues_database_gone, which no server tells"),
            (self.rules, self.cases.replace("eval_time: 10m, exp_alerts: []", "eval_time: 10m, exp_alerts: [{}]"),
             self.document, "DuesInternalErrors has no case in which it does not fire"),
            (self.rules, re.sub(r"alertname: DuesGuardRefuses\n", "alertname: DuesDown\n", self.cases), self.document,
             "DuesGuardRefuses has no case in which it fires"),
            (re.sub(r"severity: info", "severity: loud", self.rules), self.cases, self.document,
             "DuesCertificateEndsThisMonth has no severity"),
        ]
        for rules, cases, document, expected in planted:
            self.assertIn(expected, wrong_in(rules, cases, document))


if __name__ == "__main__":
    unittest.main()
