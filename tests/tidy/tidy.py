"""Runs one check over the tree: tidy.py CHECK ROOT.  Prints `path:line: what is wrong`, exits 1."""

import sys

import check_contract
import check_events
import check_includes
import check_migrations
import check_rules
import check_shape
from source import Tree

CHECKS = {
    "arrows": check_includes.arrows,
    "third_party": check_includes.third_party,
    "own_header": check_includes.own_header,
    "macros": check_shape.macros,
    "function_length": check_shape.function_length,
    "file_length": check_shape.file_length,
    "opening": check_shape.opening,
    "names": check_shape.names,
    "memory": check_rules.memory,
    "floats": check_rules.floats,
    "world": check_rules.world,
    "sql_text": check_rules.sql_text,
    "words": check_rules.words,
    "rpc_files": check_contract.rpc_files,
    "reasons": check_contract.reasons,
    "sandbox_tokens": check_contract.sandbox_tokens,
    "events": check_events.events,
    "migrations": check_migrations.migrations,
}


def main(arguments):
    if len(arguments) != 2 or arguments[0] not in CHECKS:
        print(f"usage: tidy.py {'|'.join(CHECKS)} ROOT", file=sys.stderr)
        return 2
    violations = list(CHECKS[arguments[0]](Tree(arguments[1])))
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
