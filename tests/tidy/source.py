"""The tree under check, and just enough C to look at it: no comments, no text of strings, functions."""

import os
import re

SKIPPED_FOLDERS = {".git", "build", "node_modules", "__pycache__", ".venv", ".pytest_cache", "third_party"}

_TOKENS = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.DOTALL | re.VERBOSE
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """Comments become blanks; lines and columns stay."""
    return _TOKENS.sub(lambda m: _blank(m[0]) if m[0].startswith("/") else m[0], text)


def code_only(text):
    """Comments and what stands in quotes become blanks; the quotes stay."""

    def replace(match):
        token = match[0]
        if token.startswith("/"):
            return _blank(token)
        return token[0] + _blank(token[1:-1]) + token[-1]

    return _TOKENS.sub(replace, text)


class Function:
    """A function's definition: its name and the lines (from 1) of its braces."""

    def __init__(self, name, parameters, first_line, last_line):
        self.name = name
        self.parameters = parameters
        self.first_line = first_line
        self.last_line = last_line


def balanced(text, start):
    """The index behind the bracket that closes the one at `start`."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] in "([{":
            depth += 1
        elif text[index] in ")]}":
            depth -= 1
            if depth == 0:
                return index + 1
    return len(text)


def split_arguments(text):
    """Splits at the commas outside of brackets and quotes."""
    parts, depth, begin = [], 0, 0
    plain = code_only(text)
    for index, character in enumerate(plain):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[begin:index].strip())
            begin = index + 1
    parts.append(text[begin:].strip())
    return parts


def signature(head):
    """Name and parameters in the text before a body or a semicolon, or None."""
    for match in re.finditer(r"\b(\w+)\s*\(", head):
        if match[1] in ("__attribute__", "_Alignas") or match[1].isupper():
            continue
        before = head[: match.start()]
        if before.count("(") != before.count(")"):
            continue
        end = balanced(head, match.end() - 1)
        return match[1], head[match.end() : end - 1]
    return None


def functions(text):
    """The functions of a file in kernel style: both braces of a body stand in the first column."""
    lines = code_only(text).split("\n")
    found = []
    for number, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        head = []
        for above in reversed(lines[max(0, number - 12) : number]):
            if not above.strip() or above.startswith(("}", "#")) or above.rstrip().endswith(";"):
                break
            head.insert(0, above)
        parsed = signature(" ".join(head))
        last = next((n for n in range(number, len(lines)) if lines[n].startswith("}")), len(lines) - 1)
        if parsed:
            found.append(Function(parsed[0], parsed[1], number + 1, last + 1))
    return found


class Tree:
    """Files below a root, by path relative to it."""

    def __init__(self, root):
        self.root = root
        self._texts = {}

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def files(self, *folders, endings=()):
        """Paths below the folders ("" is the root), sorted."""
        found = []
        for folder in folders:
            for place, names, files in os.walk(os.path.join(self.root, folder)):
                names[:] = [n for n in names if n not in SKIPPED_FOLDERS]
                for name in files:
                    if not endings or name.endswith(tuple(endings)):
                        found.append(os.path.relpath(os.path.join(place, name), self.root))
        return sorted(found)

    def bytes(self, path):
        with open(os.path.join(self.root, path), "rb") as file:
            return file.read()

    def text(self, path):
        if path not in self._texts:
            self._texts[path] = self.bytes(path).decode("utf-8", "replace")
        return self._texts[path]

    def code(self, path):
        return code_only(self.text(path))


def room_of(path):
    """src/payment/x.c is in room payment; files of src/ itself are the house."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else "house"


def line_of(text, index):
    return text.count("\n", 0, index) + 1
