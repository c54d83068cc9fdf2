"""The rows of the report.

A module has NAMES (what --only takes) and measure(context, names), which answers a dict: name to `rows` (report.row), and maybe
`series` (what the rows were computed from) and `raw`.
"""
