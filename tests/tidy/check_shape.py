"""The shape of C files: size, opening words, names, and macros that do not jump."""

import os
import re

from source import code_only, functions, without_comments

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500

# Names that refuse nothing gather everything.
VAGUE = re.compile(r"(.*_)?(utils?|common|helpers?|misc)")


def c_sources(tree):
    return tree.files("src", "include", "clients/c", "tests", "bench", endings=(".c", ".h"))


def macros(tree):
    """Only TRY may leave a function or a loop from inside a macro."""
    for path in c_sources(tree):
        text = code_only(tree.text(path))
        for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:\\\n|[^\n])*)", text, re.MULTILINE):
            jump = re.search(r"\b(return|goto|break|continue)\b", match[2])
            if jump and not (match[1] == "TRY" and path == "src/base/attributes.h"):
                line = text.count("\n", 0, match.start()) + 1
                yield f"{path}:{line}: macro {match[1]} contains '{jump[1]}'"


def function_length(tree):
    """A function fits on a screen and a half."""
    for path in c_sources(tree):
        for function in functions(tree.text(path)):
            length = function.last_line - function.first_line + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{path}:{function.first_line}: {function.name} has {length} lines, {FUNCTION_LINES_MAX} at most"


def file_length(tree):
    """A file is about one thing."""
    for path in c_sources(tree):
        length = tree.text(path).count("\n")
        if length > FILE_LINES_MAX:
            yield f"{path}:1: {length} lines, {FILE_LINES_MAX} at most"


def opening(tree):
    """Each .c says first what it is for; each .h is read once."""
    for path in c_sources(tree):
        text = tree.text(path)
        if path.endswith(".c"):
            comment = re.match(r"/\*(.*?)\*/", text, re.DOTALL)
            if not comment or len(re.findall(r"\w+", comment[1])) < 4:
                yield f"{path}:1: does not open with a comment that says what it is for"
        elif "#pragma once" not in without_comments(text):
            yield f"{path}:1: has no #pragma once"


def names(tree):
    """Files are named for what they hold, functions in snake case."""
    for path in c_sources(tree):
        stem = os.path.splitext(os.path.basename(path))[0]
        if VAGUE.fullmatch(stem):
            yield f"{path}:1: '{stem}' says nothing about what is inside"
        if not re.fullmatch(r"[a-z0-9_]+", stem):
            yield f"{path}:1: file names are snake_case"
        for function in functions(tree.text(path)):
            if not re.fullmatch(r"[a-z_][a-z0-9_]*", function.name):
                yield f"{path}:{function.first_line}: {function.name} is not snake_case"
