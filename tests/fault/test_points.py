#!/usr/bin/env python3
"""test_points.py SOURCE BUILD: the fail points of the source, of the build and of docs/fail-points.md are the same.

A build without them has neither their section nor one of their names.
"""

import os
import re
import subprocess
import sys
import unittest

SOURCE, BUILD = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
MACRO = re.compile(r'\bFAIL_(?:STEP\(\s*[\w&>.-]+,|DO\(|HIT\(|POINT\(|POINT_HELD\(|SHIFT\()\s*"([a-z_.]+)"')
PROGRAMS = ("duesd", "dues", "dues-simulator")


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def points_of_source():
    """Each place, names more than once if they stand more than once."""
    for folder, _, names in os.walk(os.path.join(SOURCE, "src")):
        for name in names:
            if name.endswith(".c"):
                yield from MACRO.findall(read(folder, name))


def sections(path):
    return subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout


class Points(unittest.TestCase):
    def setUp(self):
        self.points = list(points_of_source())
        self.list = os.path.join(BUILD, "fail_points")

    def test_each_name_stands_at_one_place(self):
        self.assertGreater(len(self.points), 20)
        self.assertEqual(len(self.points), len(set(self.points)))

    def test_documentation_tells_of_each_and_of_no_other(self):
        rooms = {name.split(".")[0] for name in self.points}
        told = {name for name in re.findall(r"`([a-z]+\.[a-z_]+)`", read("docs", "fail-points.md"))
                if name.split(".")[0] in rooms}
        self.assertEqual(told, set(self.points))

    def test_documentation_tells_of_each_failure_of_the_protocol(self):
        rows = re.findall(r"^\| P(\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", read("docs", "fail-points.md"), re.MULTILINE)
        self.assertEqual([int(row[0]) for row in rows], list(range(1, 31)))

    def test_scenes_of_the_documentation_are_played(self):
        titles = re.findall(r'^    title = "(.+)"$', read("tests", "fault", "point_scenes.py"), re.MULTILINE)
        told = " ".join(read("docs", "fail-points.md").split())
        for title in titles:
            self.assertIn(title.removeprefix("PostgreSQL dies while the gateway ").split(" to a refund")[0], told)

    def test_build_lists_each_or_has_nothing_of_them(self):
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
            is_on = "DUES_FAIL_POINTS:BOOL=ON" in file.read()
        if is_on:
            with open(self.list, encoding="ascii") as file:
                self.assertEqual(sorted(line.split()[0] for line in file), sorted(self.points))
            return
        for program in PROGRAMS:
            path = os.path.join(BUILD, program)
            self.assertNotIn("fail_points", sections(path))
            with open(path, "rb") as file:
                data = file.read()
            self.assertNotIn(b"DUES_FAIL_POINTS", data)
            for point in self.points:  # the linker may put a name at the end of a longer text
                self.assertFalse(point.encode() + b"\0" in data, f"{point} is in {program}")

    def test_proofs_say_in_one_line_what_is_not_built(self):
        for proof, preset in ((("fault", "run"), "release"), (("soak", "run", "--minutes", "1"), "release"),
                              (("fault", "points"), "points")):
            script = os.path.join(SOURCE, "tests", *proof[:2])
            run = subprocess.run([script, "--build", "/nonexistent", *proof[2:]], capture_output=True, text=True, timeout=60,
                                 check=False)
            self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
            self.assertRegex(run.stderr, rf"^\w+: there is no /nonexistent/dues; scripts/build {preset} makes build/{preset}\n$")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
