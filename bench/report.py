"""What was measured, kept as JSON figure by figure, and shown as Markdown."""

import json
import os

from rounds import median


def row(figure, must, shown, met=None, detail=""):
    """A line of the table; `met` None: nothing is asked of it, or it could not be measured."""
    return {"figure": figure, "must": must, "shown": shown, "met": met, "detail": last_line(detail)}


def at_least(figure, value, least, detail=""):
    return row(figure, f"≥ {least:g}", f"{value:.2f}", value >= least, detail)


def missing(figure, must, why):
    return row(figure, must, "—", None, why)


class Report:
    def __init__(self, path):
        self.path = path
        self.data = {"about": {}, "figures": {}}

    def load(self):
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.data = json.load(file)

    def is_done(self, name):
        return name in self.data["figures"] and not self.data["figures"][name].get("failed")

    def keep(self, name, result):
        """At once and whole: what follows may fail."""
        self.data["figures"][name] = result
        self.write()

    def write(self):
        os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1, ensure_ascii=False)
            file.write("\n")
        os.replace(self.path + ".new", self.path)

    def failures(self):
        return [name for name, figure in self.data["figures"].items() if figure.get("failed")]

    def markdown(self, order):
        figures = [(name, self.data["figures"][name]) for name in order if name in self.data["figures"]]
        lines = ["# Benchmarks", "", *self.about_lines(), "", "| figure | must reach | measured | reached | |",
                 "| --- | --- | --- | --- | --- |"]
        for name, figure in figures:
            if figure.get("failed"):
                lines.append(f"| {name} | | failed | | {last_line(figure['failed'])} |")
            for one in figure.get("rows", []):
                reached = {True: "yes", False: "**no**", None: ""}[one["met"]]
                lines.append(f"| {one['figure']} | {one['must']} | {one['shown']} | {reached} | {one['detail']} |")
        series = {}
        for _, figure in figures:
            series.update(figure.get("series", {}))
        if series:
            lines += ["", "| measured | a second | least–most | p50 ms | p99 ms | server CPU µs a call | client CPU µs a call "
                      "| errors |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
            lines += [series_line(name, values) for name, values in series.items()]
        return "\n".join(lines) + "\n"

    def about_lines(self):
        about = self.data["about"]
        return [f"- {key}: {value}" for key, value in about.items() if key != "PostgreSQL settings"] + [
            "- PostgreSQL settings: " + ", ".join(about.get("PostgreSQL settings", []))]


def last_line(text):
    """Of a traceback the one that says what it was; fit for a cell."""
    return text.strip().splitlines()[-1][:300].replace("|", "/") if text.strip() else ""


def series_line(name, values):
    rates = [value["per_second"] for value in values]
    line = f"| {name} | {median(values, 'per_second'):.0f} | {min(rates):.0f}–{max(rates):.0f} "
    if "p50_us" not in values[0]:
        return line + "| | | | | |"
    return line + (f"| {median(values, 'p50_us') / 1000:.2f} | {median(values, 'p99_us') / 1000:.2f} "
                   f"| {median(values, 'cpu_us'):.1f} | {median(values, 'client_us'):.1f} "
                   f"| {sum(value['errors'] for value in values)} |")
