"""Changing artefacts one fact at a time, in copies that share what is not changed."""

import csv
import glob
import json
import os


def replace_text(path, texts):
    """Never in place: the file may be another copy's too."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(texts)
    os.replace(path + ".new", path)


def table_path(directory, table):
    return os.path.join(directory, "tables", table + ".csv")


def read_table(directory, table):
    with open(table_path(directory, table), newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return reader.fieldnames, list(reader)


def write_table(directory, table, columns, rows):
    path = table_path(directory, table)
    with open(path + ".new", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(path + ".new", path)


def find_row(directory, table, wanted):
    return next((row for row in read_table(directory, table)[1] if wanted(row)), None)


def change_row(directory, table, wanted, change):
    """Applies `change` to the first row that `wanted` likes; None from it drops the row."""
    columns, rows = read_table(directory, table)
    for index, row in enumerate(rows):
        if wanted(row):
            changed = change(dict(row))
            rows[index:index + 1] = [changed] if changed else []
            write_table(directory, table, columns, rows)
            return row
    return None


def add_row(directory, table, row):
    columns, rows = read_table(directory, table)
    write_table(directory, table, columns, rows + [row])


def as_line(value):
    return json.dumps(value, separators=(",", ":")) + "\n"


def change_lines(path, wanted, change, last=False, every=False):
    """The same for JSON lines; `change` answers the lines that take the place of the first (last) that is wanted, or of
    every one."""
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    found = None
    for index in reversed(range(len(lines))) if last or every else range(len(lines)):
        value = json.loads(lines[index])
        if wanted(value):
            found = value
            lines[index:index + 1] = [as_line(one) for one in change(value)]
            if not every:
                break
    if found is not None:
        replace_text(path, lines)
    return found


def change_log(directory, wanted, change, last=False):
    for path in sorted(glob.glob(os.path.join(directory, "logs", "*.log"))):
        found = change_lines(path, wanted, change, last)
        if found:
            return found
    return None


def find_in_log(directory, wanted):
    return change_log(directory, wanted, lambda line: [line])


def journal_path(directory):
    return os.path.join(directory, "journal-1.jsonl")


def change_journal(directory, wanted, change, last=False, every=False):
    return change_lines(journal_path(directory), wanted, change, last, every)


def is_stripe(directory):
    with open(journal_path(directory), encoding="utf-8") as file:
        return "operation" not in json.loads(file.readline())
