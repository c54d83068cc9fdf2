"""Rules of the house that a compiler does not know: memory, money, time, SQL, words."""

import re

from source import balanced, functions, line_of, without_comments

# Memory of calls is the arena's.  calloc and free serve objects that have an end of their own.
ENDS = ("_close", "_free", "_release", "_stop", "_unref")

# Functions that reach the world, and the files they may stand in.
WORLD = {
    r"clock_gettime|gettimeofday|timespec_get|time|clock|ftime": {"src/base/time.c"},
    r"getrandom|getentropy|rand|rand_r|srand|random|srandom|drand48|arc4random": {"src/base/random.c"},
    r"getenv|secure_getenv": {"src/config.c", "src/main.c"},
}

# mkstemp's template has six of the third word; a word ends there and does not match.
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX)\b")


def server_sources(tree):
    """What runs in duesd; the command line is a short-lived program with rules of its own."""
    return [p for p in tree.files("src", endings=(".c", ".h")) if not p.startswith("src/cli/")]


def memory(tree):
    """malloc and its family stay in the arena and in what is closed."""
    for path in server_sources(tree):
        if path == "src/base/arena.c":
            continue
        code = tree.code(path)
        owns = any(f.name.endswith(ENDS) for f in functions(tree.text(path)))
        for match in re.finditer(r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|v?asprintf)\s*\(", code):
            name, line = match[1], line_of(code, match.start())
            if name in ("calloc", "strdup", "free"):
                if not owns:
                    yield f"{path}:{line}: {name} in a file that closes nothing; use the arena"
            else:
                yield f"{path}:{line}: {name}; use the arena, or calloc for what is closed"


def floats(tree):
    """Money is integers, and nothing else here needs a fraction."""
    for path in tree.files("src", "include", endings=(".c", ".h")):
        code = tree.code(path)
        for match in re.finditer(r"\b(float|double)\b|(?<![\w.])\d+\.\d+", code):
            if not _in_include(code, match.start()):
                yield f"{path}:{line_of(code, match.start())}: floating point '{match[0]}'"
    for path in tree.files("migrations", endings=(".sql",)):
        text = re.sub(r"--[^\n]*", "", tree.text(path))
        for match in re.finditer(r"\b(double\s+precision|real|float[48]?|money)\b(?!\s*[(.])", text, re.IGNORECASE):
            yield f"{path}:{line_of(text, match.start())}: column type '{match[0]}'"


def _in_include(code, index):
    begin = code.rfind("\n", 0, index) + 1
    return code[begin:index].lstrip().startswith("#")


def world(tree):
    """Time, randomness and the environment are passed in."""
    for path in server_sources(tree):
        code = tree.code(path)
        for pattern, allowed in WORLD.items():
            if path in allowed:
                continue
            for match in re.finditer(rf"(?<![\w.>])({pattern})\s*\(", code):
                begin = code.rfind("\n", 0, match.start()) + 1
                # A member or parameter that is a function, or a declaration, is no call.
                if re.search(r"\b(struct|int64_t|void|const)\s+\**$", code[begin : match.start()]):
                    continue
                line = line_of(code, match.start())
                yield f"{path}:{line}: {match[1]} belongs to {', '.join(sorted(allowed))}"


# Makes the set form of a statement out of its constant text and the types of its parameters, no values.
SQL_FROM_CONSTANTS = {"src/pg/set.c"}


def sql_text(tree):
    """SQL is constant text with parameters; it is never printed together."""
    for path in server_sources(tree):
        if path in SQL_FROM_CONSTANTS:
            continue
        text = without_comments(tree.text(path))
        code = tree.code(path)
        for match in re.finditer(r"\b(v?snprintf|arena_v?printf|dprintf|fprintf)\s*\(", code):
            end = balanced(code, match.end() - 1)
            literals = "".join(re.findall(r'"((?:\\.|[^"\\])*)"', text[match.end() : end]))
            if re.search(r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE|ALTER|DROP|GRANT)\b", literals):
                yield f"{path}:{line_of(code, match.start())}: SQL made by {match[1]}"


def words(tree):
    """Work that is not done is an issue, not a word in a file."""
    for path in tree.files(""):
        if path.startswith("tests/tidy/") or path.endswith(".md"):
            continue
        data = tree.bytes(path)
        if b"\0" in data:
            continue
        text = data.decode("utf-8", "replace")
        for match in BANNED_WORDS.finditer(text):
            yield f"{path}:{line_of(text, match.start())}: '{match[1]}'"
