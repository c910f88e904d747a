#!/usr/bin/env python3
"""The fault campaign; scripts/faults says how it is called.

Faults happen in cells (cell.py), several at once. Each prints a line; the last one counts. Exit 1 if anything was wrong."""
import argparse
import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "mount"))

import watchdog  # noqa: E402
from cell import Wrong  # noqa: E402
from changes import seeded  # noqa: E402
from fakecell import FakeCell  # noqa: E402
from kinds import KINDS  # noqa: E402
from mounts import Session, Workspace  # noqa: E402
from realcell import REAL_KINDS, RealCell  # noqa: E402
from servers import CLUSTER, CLUSTER_PROGRAMS, Unavailable  # noqa: E402


def draw(kinds, count, rng):
    """So many faults: each kind once, as far as they go, and then as their weights say."""
    names = list(kinds)
    rng.shuffle(names)
    drawn = names[:count]
    if count > len(names):
        drawn += rng.choices(names, [kinds[n].weight for n in names], k=count - len(names))
    rng.shuffle(drawn)
    return drawn


def run_cell(name, make, kinds, faults, seed, directory, out):
    """One cell in a process of its own. What it has to say goes through out: (cell, kind, problem or None, seconds) for each fault."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out.put(("process", name, os.getpid(), None))
    try:
        workspace = Workspace(pathlib.Path(directory))
        session = Session(workspace)
        cell = make(session, seed, name)
    except BaseException:
        out.put(("end", name, [traceback.format_exc()], {}))
        return
    problems, seen = [], {}
    try:
        cell.start()
        for number, kind in faults:
            start = time.monotonic()
            cell.notes.clear()
            problem = None
            try:
                cell.fault(number, kinds[kind])
                problem = "; ".join(cell.notes) or None
            except (Wrong, AssertionError, OSError, subprocess.SubprocessError) as e:
                problem = str(e) or traceback.format_exc()
            out.put(("fault", name, (number, kind, problem, round(time.monotonic() - start, 1)), None))
    except BaseException:
        problems.append(traceback.format_exc())
    try:
        found, seen = cell.end()
        problems += found
    except BaseException:
        problems.append(traceback.format_exc())
    out.put(("end", name, problems, seen))


class Campaign:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kevfs-faults-"))
        self.directory.chmod(0o755)
        self.passed, self.failed, self.seen = 0, 0, collections.Counter()
        self.worst, self.longest = 0.0, 0.0
        self.by_kind = collections.Counter()
        self.logs = pathlib.Path(arguments.logs)
        self.guard = subprocess.Popen([sys.executable, watchdog.__file__, self.directory, str(os.getpid())], stdin=subprocess.PIPE)

    def say(self, text):
        print(text, flush=True)

    def plan(self):
        """[(name, cell's class, its kinds, its faults)]"""
        a = self.arguments
        wanted = set(a.kinds.split(",")) if a.kinds else None
        unknown = (wanted or set()) - set(KINDS) - set(REAL_KINDS)
        if unknown:
            raise SystemExit(f"faults: unknown kinds: {', '.join(sorted(unknown))}; these there are: {', '.join([*KINDS, *REAL_KINDS])}")
        kinds = {k: v for k, v in KINDS.items() if wanted is None or k in wanted}
        real = {k: v for k, v in REAL_KINDS.items() if wanted is None or k in wanted}
        missing = [p for p in CLUSTER_PROGRAMS if not (CLUSTER / p).exists()]
        if real and (missing or a.no_real):
            if not a.no_real:
                self.say(f"skipped: faults of a real control plane: {CLUSTER} lacks {', '.join(missing)}")
            real = {}
        rng = seeded(a.seed, "plan")
        total = a.number
        of_real = draw(real, min(len(real) if kinds else total, total), rng) if real else []
        drawn = list(enumerate(draw(kinds, total - len(of_real), rng))) if kinds else []
        cells = max(1, min(a.jobs, len(drawn)))
        plan = [(f"fake{i + 1}", FakeCell, kinds, drawn[i::cells]) for i in range(cells) if drawn]
        if of_real:
            plan.append(("real", RealCell, real, list(enumerate(of_real, len(drawn)))))
        return plan

    def keep(self, name):
        """Logs of what went wrong stay."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for log in (self.directory / name).glob("log-*"):
            shutil.copy(log, self.logs / f"{name}-{log.name}")

    def hear(self, message):
        what, name, said, more = message
        if what == "fault":
            number, kind, problem, seconds = said
            self.by_kind[kind] += 1
            if problem is None:
                self.passed += 1
                if self.arguments.verbose:
                    self.say(f"passed   {number} {name} {kind} ({seconds} s)")
            else:
                self.failed += 1
                self.say(f"FAILED   seed {self.arguments.seed}, fault {number}, {name}, {kind} ({seconds} s): {problem}")
        elif what == "end":
            for problem in said:
                self.failed += 1
                self.say(f"FAILED   seed {self.arguments.seed}, {name}: {problem}")
            self.worst = max(self.worst, more.pop("worst", 0))
            self.longest = max(self.longest, more.pop("longest", 0))
            self.seen.update(more)
            if self.failed:
                self.keep(name)

    def run(self):
        plan = self.plan()
        count = sum(len(faults) for *_, faults in plan)
        self.say(f"seed {self.arguments.seed}: {count} faults of {len({k for *_, faults in plan for _, k in faults})} kinds, in {len(plan)} cells")
        out = multiprocessing.Queue()
        processes, waiting, ended = [], list(plan), set()
        start = time.monotonic()
        for name, make, kinds, faults in plan:
            directory = self.directory / name
            (directory / "bin").mkdir(parents=True)
            p = multiprocessing.Process(target=run_cell, args=(name, make, kinds, faults, self.arguments.seed, directory, out))
            p.start()
            processes.append((name, p))
        del waiting
        while len(ended) < len(processes):
            with contextlib.suppress(queue.Empty):
                message = out.get(timeout=1)
                self.hear(message)
                if message[0] == "end":
                    ended.add(message[1])
                continue
            for name, p in processes:
                if not p.is_alive() and name not in ended and out.empty():
                    self.hear(("end", name, [f"its process ended: {p.exitcode}"], {}))
                    ended.add(name)
        for _, p in processes:
            p.join(30)
        self.report(time.monotonic() - start)
        return self.failed == 0

    def report(self, seconds):
        if self.arguments.verbose:
            self.say("kinds: " + ", ".join(f"{k} {n}" for k, n in sorted(self.by_kind.items())))
        s = self.seen
        self.say(f"{seconds:.0f} s: {s['changes']} changes ({s['refused']} refused by a server that was away), {s['lines']} lines of events.jsonl; readers: {s['calls']} calls, the longest "
                 f"{self.worst * 1000:.0f} ms ({s['starved']} more than 1 s without a CPU), {s['tools']} runs of grep -r, ls -lR, tail, stat; equal again at most {self.longest:.1f} s after recovery")
        if self.failed:
            self.say(f"logs: {self.logs}")
        self.say(f"{self.passed} passed, {self.failed} failed")

    def close(self):
        """Whatever happened: no mount, no process, no file stays. (If this process dies, the guard does it.)"""
        for cell in sorted(self.directory.iterdir()):
            watchdog.abort(cell)
            watchdog.clean(cell)
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(BrokenPipeError):
            self.guard.stdin.write(b"bye\n")
            self.guard.stdin.close()
        self.guard.wait(30)


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults", add_help=False)
    parser.add_argument("-s", dest="seed", default=str(time.time_ns() % 1000000))
    parser.add_argument("-n", dest="number", type=int, default=330)
    parser.add_argument("-j", dest="jobs", type=int, default=3)
    parser.add_argument("-v", dest="verbose", action="store_true")
    parser.add_argument("--kinds")
    parser.add_argument("--no-real", action="store_true")
    parser.add_argument("--logs", required=True)
    campaign = Campaign(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        good = campaign.run()
    except Unavailable as e:
        print(e)
        sys.exit(77)
    finally:
        for p in multiprocessing.active_children():
            p.terminate()
        campaign.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
