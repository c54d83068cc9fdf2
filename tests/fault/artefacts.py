"""What survives a crash, and nothing else: the clients' fsynced logs, the tables, the gateway's journals.

A directory of artefacts holds `logs/*.log` (JSON lines), `tables/*.csv` and `journal*.jsonl`; `collect` makes
one from a database at rest.
"""

import csv
import glob
import hashlib
import json
import os
import shutil
import subprocess

from journals import read_journals

# A column is a name, or an expression AS a name.
TABLES = {
    "customer": ("customer_id", "event_count", "invoice_count", "ledger_count",
                 "encode(substr(ledger_tail, length(ledger_tail) - 31), 'hex') AS ledger_head"),
    "payment_method": ("customer_id", "payment_method_id"),
    "payment": ("customer_id", "payment_id", "invoice_id", "is_manual", "currency", "amount", "state", "amount_captured",
                "amount_capturable", "amount_capture_pending", "amount_refunded", "amount_refund_pending"),
    "refund": ("customer_id", "payment_id", "refund_id", "currency", "amount", "state"),
    "attempt": ("customer_id", "attempt_id", "payment_id", "refund_id", "operation", "gateway", "gateway_key", "currency",
                "amount", "state", "gateway_transaction"),
    "gateway_transaction": ("customer_id", "gateway_transaction", "attempt_id", "currency", "amount"),
    "dispute": ("customer_id", "dispute_id", "gateway", "gateway_dispute"),
    "incident": ("customer_id", "kind", "subject", "state", "detail"),
    "ledger_entry": ("customer_id", "group_id", "kind", "line_no", "account", "currency", "amount", "position",
                     "encode(hash, 'hex') AS hash",
                     "(extract(epoch FROM create_time) * 1000000)::bigint - 946684800000000 AS time_us"),
    "recorded_request": ("customer_id", "caller", "method", "request_id", "object_id",
                         "encode(sha256(answer), 'hex') AS answer"),
    "event": ("customer_id", "sequence", "type", "subject_id"),
    "membership": ("customer_id", "membership_id"),
    "invoice": ("customer_id", "invoice_id", "number", "membership_id", "due_time", "state"),
    "test_clock": ("test_clock_id",),
    "obligation": ("customer_id", "kind", "business_key",
                   "due_time < now() - interval '1 minute' AND test_clock_id IS NULL AS overdue",
                   "test_clock_id IS NOT NULL AS virtual", "failure_count", "last_failure"),
}


class Unreadable(Exception):
    """The artefacts are not there, or not what they should be: nothing can be said."""


def column_names(table):
    return [column.split(" AS ")[-1] for column in TABLES[table]]


def export_tables(connection, directory, is_live):
    """Writes every table to a CSV file, all as of one moment.  In a dump, time has gone by with nobody at work."""
    os.makedirs(directory, exist_ok=True)
    copies = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"]
    for table, columns in TABLES.items():
        path = os.path.join(directory, table + ".csv")
        columns = [column if is_live or not column.endswith(" AS overdue") else "false AS overdue" for column in columns]
        copies.append(f"\\copy (SELECT {', '.join(columns)} FROM dues.{table}) TO '{path}' WITH (FORMAT csv, HEADER)")
    copies.append("COMMIT;")
    result = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", connection], input="\n".join(copies),
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Unreadable(f"the database cannot be read: {result.stderr.strip()}")


def place(path, target):
    """The same file under another name where that can be: journals are long, and at rest."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def collect(connection, logs, journals, directory, is_live=True):
    """A directory of artefacts of what is at rest.  `logs` may be None; a server is at work unless not `is_live`."""
    os.makedirs(os.path.join(directory, "logs"), exist_ok=True)
    export_tables(connection, os.path.join(directory, "tables"), is_live)
    try:
        if logs is not None and os.path.abspath(logs) != os.path.abspath(os.path.join(directory, "logs")):
            for path in glob.glob(os.path.join(logs, "*.log")):
                place(path, os.path.join(directory, "logs", os.path.basename(path)))
        for number, journal in enumerate(journals, start=1):
            place(journal, os.path.join(directory, f"journal-{number}.jsonl"))
    except OSError as problem:
        raise Unreadable(f"{problem.filename}: {problem.strerror}") from problem


def read_log(path):
    """JSON lines; a ragged line (the writer died in it) is no line.  Of the reply its hash is enough."""
    lines = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue
            if not isinstance(line, dict):
                continue
            if line.get("reply"):
                line["reply"] = hashlib.sha256(bytes.fromhex(line["reply"])).hexdigest()
            lines.append(line)
    return lines


class Artefacts:
    """`tables` by name and `journal` in order, in memory; the clients' logs one after the other, since they are long."""

    def __init__(self, directory):
        self.directory = directory
        self.logs = sorted(glob.glob(os.path.join(directory, "logs", "*.log")))
        self.tables = {}
        try:
            for table in TABLES:
                self.tables[table] = self.read_table(table)
            self.journal = read_journals(sorted(glob.glob(os.path.join(directory, "journal*.jsonl"))))
        except (OSError, ValueError) as problem:
            raise Unreadable(str(problem)) from problem

    def read_table(self, table):
        with open(os.path.join(self.directory, "tables", table + ".csv"), newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = set(column_names(table)) - set(reader.fieldnames or ())
            if missing:
                raise ValueError(f"table {table} lacks {', '.join(sorted(missing))}")
            return list(reader)

    def clients(self):
        """The lines of one client after the other."""
        for path in self.logs:
            yield read_log(path)
