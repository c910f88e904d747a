"""A server, mounts of it, somebody who changes everything and others who read: where faults happen, one after the other, and where
is looked at what each leaves behind."""
import contextlib
import json
import os
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import threading
import time

import loglines
from changes import Changer, is_whole, printed, seeded, serial_of
from mounts import Mount
from servers import Unavailable, run, wait_for

HERE = pathlib.Path(__file__).resolve().parent
RECOVERY = 10
WAITS = re.compile(r"next try in ([0-9.]+) s")
OPTIONS = ("log_level=info", "log_max=4M")
# Bytes that a daemon may hold more at the end than behind the first faults: what both logs' files may, and what an allocator keeps.
GROWTH = 40 << 20
# Threads that come as there is something to do: libfuse's, as many as there are requests at once, and those that tell the kernel.
WORKERS = 40


class Wrong(Exception):
    """What a fault left behind that it should not have."""


class Followed(threading.Thread):
    """Somebody who follows a log from its beginning, over its rotations, and the log of the daemon."""

    def __init__(self, m):
        super().__init__(daemon=True)
        self.m, self.ended = m, threading.Event()
        self.seen, self.torn, self.lines = set(), [], 0
        self.waits = []  # (when it was said, for how long)
        self.fd, self.rest, self.said = None, b"", 0

    def take(self, fd):
        while piece := os.read(fd, 1 << 18):
            *lines, self.rest = (self.rest + piece).split(b"\n")
            for line in lines:
                self.lines += 1
                number = serial_of(json.loads(line).get("message", "")) if is_whole(line) else None
                if number is None:
                    self.torn.append(line[:300])
                else:
                    self.seen.add(number)

    def look(self):
        path = self.m.path("events.jsonl")
        if self.fd is not None:
            self.take(self.fd)
            if os.stat(path).st_ino == os.fstat(self.fd).st_ino:
                return
            self.take(self.fd)
            os.close(self.fd)
        if self.rest:
            self.torn.append(self.rest[:300])
        self.fd, self.rest = os.open(path, os.O_RDONLY), b""
        self.take(self.fd)

    def listen(self):
        """What the daemon says it waits for."""
        with open(self.m.log, "rb") as f:
            f.seek(self.said)
            *lines, rest = f.read().split(b"\n")
            self.said = f.tell() - len(rest)
        self.waits += [(time.monotonic(), float(found[1])) for found in map(WAITS.search, (line.decode(errors="replace") for line in lines)) if found]

    def run(self):
        while not self.ended.wait(0.03):
            with contextlib.suppress(FileNotFoundError):
                self.look()
            self.listen()

    def waits_until(self, when):
        """That time, or the end of the longest wait that ran then."""
        return max([when, *(said + seconds for said, seconds in self.waits if said <= when + 1)])

    def end(self):
        self.ended.set()
        self.join(10)
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


class Daemon:
    """A mount with all who look at it."""

    def __init__(self, cell, name, kubeconfig, *options):
        self.cell, self.name = cell, name
        self.m = Mount(cell.session, options=(*OPTIONS, *options), kubeconfig=kubeconfig, environment=cell.environment)
        self.followed = Followed(self.m)
        self.followed.start()
        self.readers = [subprocess.Popen([sys.executable, HERE / "readers.py", self.m.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"})]
        self.tools = threading.Thread(target=self.run_tools, daemon=True)
        self.tools_end, self.tools_said, self.tool_runs = threading.Event(), [], 0
        self.tools.start()

    def run_tools(self):
        """As people look: they may say that something is gone, and nothing else."""
        commands = ["grep", "-rc", "quoted", self.m.dir], ["ls", "-lR", self.m.dir], ["tail", "-n", "3", self.m.path("events.log")], ["stat", self.m.dir, self.m.path("events.log")]
        while not self.tools_end.is_set():
            for command in commands:
                r = subprocess.run(["nice", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=120)
                self.tools_said += [line.decode(errors="replace") for line in r.stderr.splitlines() if b"No such file" not in line]
                self.tool_runs += 1
            self.tools_end.wait(0.5)

    def status(self):
        with open(self.m.path(".kevfs/status"), "rb") as f:
            return json.loads(f.read())

    def follows(self):
        return all(watch["state"] == "watching" for watch in self.status()["watches"]["events"]["each"])

    def resources(self):
        pid = self.m.pid()
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) << 10
        names = [pathlib.Path(f"/proc/{pid}/task/{task}/comm").read_text(encoding="ascii").strip() for task in os.listdir(f"/proc/{pid}/task")]
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": sorted({n for n in names if "-" in n}), "workers": len([n for n in names if "-" not in n or n == "kevfs-sender"]), "memory": rss}

    def differences(self, want):
        got = self.m.events()
        wrong = [("missing", k) for k in want if k not in got] + [("extra", k) for k in got if k not in want]
        return wrong + [("differs", k) for k in want if k in got and got[k][1] != want[k]]

    def end(self):
        """Ends all; returns what was wrong, and what was seen."""
        problems, seen = [], {"calls": 0, "worst": 0.0, "starved": 0}
        self.tools_end.set()
        self.tools.join(130)
        for reader in self.readers:
            out, err = reader.communicate(timeout=120)
            said = json.loads(out) if out else {"wrong": [f"a reader died: {err[-1000:].decode(errors='replace')}"], "slow": [], "calls": 0, "worst": 0, "starved": 0}
            problems += said["wrong"] + said["slow"]
            seen["calls"] += said["calls"]
            seen["starved"] += said["starved"]
            seen["worst"] = max(seen["worst"], said["worst"])
        problems += self.tools_said[:20]
        self.followed.end()
        problems += [f"a torn line in events.jsonl: {line!r}" for line in self.followed.torn[:5]]
        with contextlib.suppress(FileNotFoundError):
            try:
                loglines.check(self.m.dir)
            except AssertionError as e:
                problems.append(f"events.log: {str(e)[:2000]}")
        try:
            self.m.close()
        except AssertionError as e:
            problems.append(str(e))
        return [f"{self.name}: {p}" for p in problems], seen


class Clock:
    """What the daemons' wall clock is ahead by; it knows the monotonic one only as it is."""

    def __init__(self, directory):
        self.library, self.file = f"{directory}/clock_step.so", f"{directory}/clock_step"
        run(*shlex.split(os.environ.get("CC", "cc")), "-Wall", "-Wextra", "-O2", "-fPIC", "-shared", "-o", self.library, HERE / "clock_step.c")
        self.set(0)
        self.environment = {"LD_PRELOAD": self.library, "KEVFS_CLOCK_STEP": self.file}

    def set(self, seconds):
        with open(self.file, "r+b" if os.path.exists(self.file) else "wb") as f:
            f.write(struct.pack("=q", seconds))


class Cell:
    """What all of that shares. The heirs have a server, and daemons of it."""
    rate = 40

    def __init__(self, session, seed, name, calm=(2.2, 2.6)):
        """calm: how many seconds pass between two faults. A watch that brought nothing behind its first two seconds counts as futile, and
        a series of such slows down."""
        self.session, self.name, self.calm = session, name, calm
        self.rng = seeded(seed, name)
        self.clock = Clock(session.new_directory("clock"))
        self.environment = self.clock.environment
        self.stack = contextlib.ExitStack()
        self.daemons, self.required = [], set()
        self.first, self.count = None, 0
        self.longest = 0.0

    def start(self):
        """Begin to change and to look."""
        self.changer = Changer(self.write, seeded(self.rng.random()), self.rate)
        for _ in range(60):
            with contextlib.suppress(AssertionError):
                self.changer.one()
        self.connect()
        self.changer.start()
        self.compare_with_kubectl()
        self.wait_equal(30)

    def want(self):
        """{(namespace, name): content} of what the server has."""
        return {(e["metadata"]["namespace"], e["metadata"]["name"]): printed(e) for e in self.items()}

    def compare_with_kubectl(self):
        """That our own printing is kubectl's."""
        with self.changer.held():
            try:
                theirs = self.server.oracle()
            except Unavailable:
                return
            ours = self.want()
        assert ours == theirs, next((k, ours.get(k), theirs.get(k)) for k in {**ours, **theirs} if ours.get(k) != theirs.get(k))

    def wait_equal(self, seconds, since=None, waits=False, daemons=None):
        """While nothing changes: until each mount (or each of these) equals the server's list, at most so many seconds from then (now).
        Where waits, from the end of the wait that a daemon was in then. Returns how many seconds it were."""
        since, daemons = since or time.monotonic(), daemons or self.daemons

        def late(d):
            return time.monotonic() - (d.followed.waits_until(since) if waits else since)
        with self.changer.held():
            wrong, took, waiting = {}, {}, list(daemons)
            while waiting:
                for d in list(waiting):
                    took[d.name] = late(d)
                    want = self.want()  # a real one's components go on writing
                    wrong[d.name] = d.differences(want)
                    if not wrong[d.name] or took[d.name] > seconds:
                        waiting.remove(d)
                time.sleep(0.05)
            self.required |= {n for n in (serial_of(json.loads(text)["message"]) for text in want.values()) if n and n > 0}
        for d in daemons:
            if wrong[d.name]:
                raise Wrong(f"{d.name}: after {took[d.name]:.1f} s {len(wrong[d.name])} of {len(want)} differ: {wrong[d.name][:5]}")
            if took[d.name] > seconds:
                raise Wrong(f"{d.name}: equal, but only after {took[d.name]:.1f} s")
        return max(took.values())

    def wait_watching(self, deadline):
        """Until every mount follows the server again; that none is called stale says no more than that it did a moment ago."""
        for d in self.daemons:
            if not wait_for(d.follows, max(0.1, deadline - time.monotonic()), 0.05):
                raise Wrong(f"{d.name}: does not follow: {d.status()['watches']['events']}")

    def check_lost(self):
        for d in self.daemons:
            if not wait_for(lambda d=d: self.required <= d.followed.seen, 5, 0.05):
                lost = sorted(self.required - d.followed.seen)
                self.required -= set(lost)
                raise Wrong(f"{d.name}: {len(lost)} revisions are not in events.jsonl: {lost[:10]}")

    def check_resources(self):
        now = {d.name: d.resources() for d in self.daemons}
        if self.first is None:
            self.first = now
        for d in self.daemons:
            before, after = self.first[d.name], now[d.name]
            if after["threads"] != before["threads"] or after["workers"] > WORKERS or abs(after["descriptors"] - before["descriptors"]) > 4:
                raise Wrong(f"{d.name}: {after}, and {before} at first")
            if after["memory"] - before["memory"] > GROWTH and not self.sanitized():
                raise Wrong(f"{d.name}: memory grows: {after}, and {before} at first")

    def sanitized(self):
        """AddressSanitizer keeps what is freed."""
        return bool(run("grep", "-c", "__asan_init", self.session.binary, check=False).stdout.strip() != b"0")

    def fault(self, number, kind):
        """One fault, from a quiet moment to the next. Raises Wrong."""
        self.count += 1
        calm = len(self.changer.written)
        time.sleep(self.rng.uniform(*self.calm))
        with self.changer.held():
            before = len(self.changer.written)
            self.required |= set(self.changer.written[calm:before])
            self.check_lost()
        lasting = kind.strike(self, self.rng)
        recovered = time.monotonic() + (lasting or 0)
        time.sleep(self.rng.uniform(0.05, 0.3))
        try:
            self.longest = max(self.longest, self.wait_equal(RECOVERY, recovered, kind.overload))
            self.wait_watching(time.monotonic() + 5)
            # What came while they were away came as a list; now they follow again, and from here on nothing may be missed.
            self.wait_equal(5)
            if kind.lossless:
                with self.changer.held():
                    self.required |= set(self.changer.written[before:])
            self.check_lost()
            if number % 10 == 9:
                self.check_resources()
        except Wrong:
            self.after_failure()
            raise

    def after_failure(self):
        """So that the next fault begins from a quiet moment again, if possible."""
        with contextlib.suppress(Wrong):
            self.wait_equal(60)

    def end(self):
        """Ends all; returns (what was wrong, what was seen)."""
        problems, seen = [], {"changes": 0, "refused": 0, "calls": 0, "worst": 0.0, "starved": 0, "lines": 0, "tools": 0}
        if self.daemons:
            with contextlib.suppress(AssertionError):
                self.compare_with_kubectl()
            self.changer.end()
        for d in self.daemons:
            wrong, said = d.end()
            problems += wrong
            seen["calls"] += said["calls"]
            seen["starved"] += said["starved"]
            seen["worst"] = max(seen["worst"], said["worst"])
            seen["lines"] += d.followed.lines
            seen["tools"] += d.tool_runs
        if self.daemons:
            seen["changes"], seen["refused"] = len(self.changer.written), self.changer.refused
        seen["longest"] = self.longest
        self.stack.close()
        return problems, seen
