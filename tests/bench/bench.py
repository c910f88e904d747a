"""What scripts/bench runs: the parts that were asked for, one after the other, and what all of them say in the end. Needs nothing but
Python; run by hand it needs what scripts/bench makes.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys

import fresh
import growth
import idle
import reads
import storm
import sync
from common import SIGNALS, Bench, Failed, Skipped, say
from plot import svg
from servers import Unavailable

PARTS = {"reads": reads, "sync": sync, "fresh": fresh, "storm": storm, "idle": idle, "growth": growth}


def parse():
    parser = argparse.ArgumentParser(description="see scripts/bench")
    for name in ("kevfs", "counter", "usage"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    for name in ("pin", "quick"):
        parser.add_argument(f"--{name}", action="store_true")
    for name in ("json", "svg"):
        parser.add_argument(f"--{name}")
    parser.add_argument("parts", nargs="+", choices=PARTS)
    return parser.parse_args()


def figures_table(figures):
    width = max(len(figure["what"]) for figure in figures)
    yield f"{'':{width}}{'':>12}   bar"
    for f in figures:
        sign = ">=" if f["at_least"] else "<="
        yield f"{f['what']:{width}}{f['value']:12.4g}   {sign} {f['bar']:g} {f['unit']}".rstrip() + ("" if f["met"] else "   missed")


def describe(result):
    """All of it, for people."""
    for name, part in result["parts"].items():
        yield f"== {name}"
        yield from [f"skipped: {part['skipped']}"] if "skipped" in part else PARTS[name].table(part)
        yield ""
    if result["figures"]:
        yield "== against the bars"
        yield from figures_table(result["figures"])


def measured(parts):
    return {name: part for name, part in parts.items() if "skipped" not in part}


def run_parts(options):
    parts = {}
    for name in options.parts:
        say(f"== {name}")
        with contextlib.ExitStack() as stack:
            try:
                parts[name] = PARTS[name].measure(Bench(options, stack))
            except Skipped as e:
                parts[name] = {"skipped": str(e)}
    figures = [{**vars(figure), "met": figure.met()} for name, part in measured(parts).items() for figure in PARTS[name].figures(part)]
    return {"time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "kernel": platform.release(), "cpus": os.cpu_count(), "events": options.events,
            "rounds": options.rounds, "parts": parts, "figures": figures}


def write(options, result):
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.svg:
        panels = [panel for name, part in measured(result["parts"]).items() for panel in PARTS[name].panels(part)]
        pathlib.Path(options.svg).write_text(svg(panels, f"scripts/bench: {result['cpus']} CPUs, Linux {result['kernel'].split('-')[0]}, medians of {result['rounds']}"), encoding="utf-8")


def on_signal(number, _):
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)  # what comes now is clearing away
    sys.exit(128 + number)


def main():
    options = parse()
    for number in SIGNALS:
        signal.signal(number, on_signal)
    for path in (options.json, options.svg):
        if path and not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            raise Failed(f"cannot write {path}")
    result = run_parts(options)
    print("\n".join(describe(result)))
    write(options, result)


if __name__ == "__main__":
    try:
        main()
    except (Failed, Unavailable, AssertionError, OSError, subprocess.SubprocessError) as e:
        sys.exit(f"bench: {e}")
