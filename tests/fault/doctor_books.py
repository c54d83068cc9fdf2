"""Damage to what is posted of fees and disputes; only a gateway with books of its own has any."""

from doctor_files import find_row, read_table, write_table

AGAIN = "00000000-0000-8000-8000-00000000abcd"


def rows_of(directory, kind):
    group = find_row(directory, "ledger_entry", lambda row: row["kind"] == kind)
    return [row for row in read_table(directory, "ledger_entry")[1]
            if group and row["kind"] == kind and row["group_id"] == group["group_id"]]


def add(directory, rows, **changed):
    columns, before = read_table(directory, "ledger_entry")
    write_table(directory, "ledger_entry", columns, before + [row | changed for row in rows])
    return rows


def post_more(directory, kind):
    """A unit more, in all lines: every group still sums to nothing."""
    rows = rows_of(directory, kind)
    columns, before = read_table(directory, "ledger_entry")
    write_table(directory, "ledger_entry", columns,
                [row | {"amount": str(int(row["amount"]) + (1 if int(row["amount"]) > 0 else -1))} if row in rows else row
                 for row in before])
    return rows


def post_a_fee_twice(directory):
    return add(directory, rows_of(directory, "fee"), group_id=AGAIN)


def post_another_fee(directory):
    return post_more(directory, "fee")


def withdraw_twice(directory):
    return add(directory, rows_of(directory, "dispute"), kind="dispute_2")


def withdraw_another_sum(directory):
    return post_more(directory, "dispute")


def post_another_dispute_fee(directory):
    return post_more(directory, "dispute_fee")


def forget_a_dispute(directory):
    columns, rows = read_table(directory, "dispute")
    write_table(directory, "dispute", columns, rows[1:])
    return rows


DAMAGES = (
    (post_a_fee_twice, ("I4",)),
    (post_another_fee, ("I4",)),
    (withdraw_twice, ("I4",)),
    (withdraw_another_sum, ("I4",)),
    (post_another_dispute_fee, ("I4",)),
    (forget_a_dispute, ("I4",)),
)
