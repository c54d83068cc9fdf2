"""What survives a crash, and nothing else: the clients' fsynced logs, the tables, the gateway's journal.

A directory of artefacts holds `logs/*.log` (JSON lines), `tables/*.csv` and `journal.jsonl`; `collect` makes
one from a running database.
"""

import csv
import glob
import json
import os
import shutil
import subprocess

TABLES = {
    "customer": "customer_id, event_count, invoice_count",
    "payment_method": "customer_id, payment_method_id",
    "payment": "customer_id, payment_id, invoice_id, currency, amount, state, amount_captured, amount_refunded, "
               "amount_refund_pending, amount_capture_pending",
    "refund": "customer_id, payment_id, refund_id, currency, amount, state",
    "attempt": "customer_id, attempt_id, payment_id, refund_id, operation, gateway_key, currency, amount, state, "
               "gateway_transaction",
    "gateway_transaction": "customer_id, gateway_transaction, attempt_id, currency, amount",
    "incident": "customer_id, attempt_id, kind, detail",
    "ledger_entry": "customer_id, group_id, kind, line_no, account, currency, amount",
    "recorded_request": "customer_id, caller, method, request_id, object_id, encode(answer, 'hex') AS answer",
    "event": "customer_id, sequence, type, subject_id",
    "membership": "customer_id, membership_id, state, period_index",
    "invoice": "customer_id, invoice_id, number, membership_id, due_time, state, currency, total_minor, payment_id",
    "invoice_payment": "customer_id, invoice_id, retry_number, payment_id",
    "test_clock": "test_clock_id, clock_time",
    "obligation": "customer_id, kind, business_key, due_time < now() - interval '1 minute' AND test_clock_id IS NULL "
                  "AS overdue, failure_count, last_failure",
}


def export_tables(connection, directory):
    """Writes every table to a CSV file, all as of one moment."""
    os.makedirs(directory, exist_ok=True)
    copies = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"]
    for table, columns in TABLES.items():
        path = os.path.join(directory, table + ".csv")
        copies.append(f"\\copy (SELECT {columns} FROM dues.{table}) TO '{path}' WITH (FORMAT csv, HEADER)")
    copies.append("COMMIT;")
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", connection],
                   input="\n".join(copies), text=True, check=True)


def collect(connection, logs, journal, directory):
    """A directory of artefacts, copied so that nobody changes it while it is read."""
    os.makedirs(directory, exist_ok=True)
    export_tables(connection, os.path.join(directory, "tables"))
    if os.path.abspath(logs) != os.path.abspath(os.path.join(directory, "logs")):
        shutil.copytree(logs, os.path.join(directory, "logs"), dirs_exist_ok=True)
    shutil.copy(journal, os.path.join(directory, "journal.jsonl"))


def read_lines(path):
    """JSON lines; a ragged line (the writer died in it) is no line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                value = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(value, dict):
                yield value


class Artefacts:
    """Everything in memory: `calls` by client log, `tables` by name, `journal` in order."""

    def __init__(self, directory):
        self.directory = directory
        self.logs = {os.path.basename(path): list(read_lines(path))
                     for path in sorted(glob.glob(os.path.join(directory, "logs", "*.log")))}
        self.tables = {}
        for table in TABLES:
            with open(os.path.join(directory, "tables", table + ".csv"), newline="", encoding="utf-8") as file:
                self.tables[table] = list(csv.DictReader(file))
        self.journal = list(read_lines(os.path.join(directory, "journal.jsonl")))

    def answers(self):
        for lines in self.logs.values():
            for line in lines:
                if line["e"] == "answer":
                    yield line
