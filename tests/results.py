#!/usr/bin/env python3
"""Counts the results of a test run, for scripts/checks.sh.

    results.py FORMAT FILE      FORMAT: meson (meson-logs/testlog.json) or junit (what pytest's --junitxml writes)

Prints "passed failed skipped" as numbers, then a line for each failure, and one for each reason of a skip.
"""
import collections
import json
import sys
import xml.etree.ElementTree


def meson(path):
    """[(name, "passed" | "failed" | "skipped", why)] of a testlog.json: one JSON object a line."""
    results = []
    with open(path, encoding="utf-8") as log:
        for test in map(json.loads, log):
            said = (test.get("stdout") or "") + (test.get("stderr") or "")
            last = said.strip().splitlines()[-1:] or ["it does not say why"]
            state = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(test["result"], "failed")
            results.append((test["name"], state, last[0] if state == "skipped" else test["result"]))
    return results


def junit(path):
    """The same of a JUnit file. A test may fail, and then its teardown too: it still counts once."""
    results = []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        bad = [e for e in case if e.tag in ("failure", "error")]
        skip = case.find("skipped")
        if bad:
            results.append((name, "failed", " ".join((bad[0].get("message") or "").split())[:200]))
        elif skip is not None:
            results.append((name, "skipped", skip.get("message") or "it does not say why"))
        else:
            results.append((name, "passed", ""))
    return results


def main():
    try:
        results = {"meson": meson, "junit": junit}[sys.argv[1]](sys.argv[2])
    except (OSError, ValueError, xml.etree.ElementTree.ParseError) as e:
        print("0 1 0")
        print(f"FAILED {sys.argv[2]}: {e}")
        return
    if not results:  # nothing that ran is nothing that passed
        results = [(sys.argv[2], "failed", "it holds no tests")]
    count = collections.Counter(state for _, state, _ in results)
    print(count["passed"], count["failed"], count["skipped"])
    for name, state, why in results:
        if state == "failed":
            print(f"FAILED {name}: {why}")
    for why, times in collections.Counter(why for _, state, why in results if state == "skipped").most_common():
        print(f"skipped, {times}: {why}")


if __name__ == "__main__":
    main()
