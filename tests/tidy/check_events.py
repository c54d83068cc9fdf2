"""docs/events.md, event_types(), the steps that write events and the names of their subjects say the same."""

import re

from source import balanced, line_of, split_arguments, without_comments

DOC = "docs/events.md"
TYPES = "migrations/functions/event.sql"
SUBJECTS = "src/customer/event_subject.c"
# What C decides on: membership_rules.c gives the type of a membership's event.
FROM_C = {"p_change.event_type": "membership."}


def _keys(data):
    """The keys of jsonb_build_object('key', value, …); none for what writes no data."""
    match = re.match(r"\s*jsonb_build_object\s*\(", data)
    if not match:
        return frozenset()
    arguments = split_arguments(data[match.end() : balanced(data, match.end() - 1) - 1])
    return frozenset(argument.strip().strip("'") for argument in arguments[::2])


def _writes(tree):
    """(path, line, beginning of the type or the whole of it, keys) of every call of event_append."""
    for path in tree.files("migrations/functions", endings=(".sql",)):
        text = re.sub(r"--[^\n]*|\bDROP FUNCTION [^;\n]*;", "", tree.text(path))
        for match in re.finditer(r"\bevent_append\s*\(", text):
            arguments = split_arguments(text[match.end() : balanced(text, match.end() - 1) - 1])
            kind = arguments[1].strip()
            if kind.startswith("p_type"):
                continue
            literal = re.match(r"'([a-z_.]+)'", kind)
            yield path, line_of(text, match.start()), literal[1] if literal else FROM_C.get(kind, kind), _keys(arguments[3])


def events(tree):
    """Every type of event is documented with its subject and data, and no other."""
    for path in (DOC, TYPES, SUBJECTS):
        if not tree.exists(path):
            yield f"{path}:1: is missing, so nothing was checked"
            return
    types = set(re.findall(r"^\s+'([a-z_]+\.[a-z_]+)',?$", tree.text(TYPES), re.MULTILINE))
    table = re.search(r"\bsubjects\[\] = \{(.*?)\};", without_comments(tree.text(SUBJECTS)), re.DOTALL)
    words = set(re.findall(r'\{"([a-z_]+)", ', table[1])) if table else set()
    told = {}
    for match in re.finditer(r"^\| `([a-z_]+\.[a-z_]+)` \| ([a-z ]+) \|([^|\n]*)\|", tree.text(DOC), re.MULTILINE):
        line, word = line_of(tree.text(DOC), match.start()), match[1].split(".")[0]
        told[match[1]] = line, frozenset(re.findall(r"`(\w+)`", match[3]))
        if match[2] != word.replace("_", " "):
            yield f"{DOC}:{line}: the subject of {match[1]} is {word.replace('_', ' ')}"
        if word not in words:
            yield f"{SUBJECTS}:1: names no subject of {match[1]}"
    for kind in sorted(types - set(told)):
        yield f"{DOC}:1: {kind} of event_types() is not told"
    for kind in sorted(set(told) - types):
        yield f"{DOC}:{told[kind][0]}: {kind} is not in event_types()"
    writers = list(_writes(tree))
    if not writers:
        yield f"{TYPES}:1: no call of event_append was found, so nothing was checked"
    for path, line, begin, keys in writers:
        of_it = {k: v for k, v in told.items() if k == begin or (begin.endswith(".") and k.startswith(begin))}
        if not of_it:
            yield f"{path}:{line}: {begin} is no type of event_types()"
        elif not any(keys <= documented for _, documented in of_it.values()):
            yield f"{path}:{line}: writes {', '.join(sorted(keys))}, which {DOC} does not say of {begin}"
    for kind, (line, documented) in told.items():
        can = [keys for _, _, begin, keys in writers if kind == begin or (begin.endswith(".") and kind.startswith(begin))]
        if can and documented not in can:
            yield f"{DOC}:{line}: no step writes {kind} with just {', '.join(sorted(documented)) or 'nothing'}"
