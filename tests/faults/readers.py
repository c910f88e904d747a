#!/usr/bin/env python3
"""Somebody who reads the mount all the time, one call after the other, and times each: readers.py DIRECTORY KIND…. Until standard input
ends it walks, stats, reads files whole, reads pieces of the logs and follows links; then it prints what it saw, as JSON.

What stands in the mount are events of changes.py, so each text that is read tells whether it is whole."""
import json
import os
import random
import resource
import select
import stat
import sys
import time

from changes import is_whole

SLOW = 1.0
PAUSE = 0.002


def stopped(seconds=0):
    return bool(select.select([0], [], [], seconds)[0])


def waited():
    """Seconds that this process was ready to run and had no CPU."""
    with open("/proc/self/schedstat", "rb") as f:
        return int(f.read().split()[1]) / 1e9


class Reader:
    def __init__(self, directory):
        self.directory = directory
        self.calls, self.worst, self.slow, self.starved, self.wrong = 0, 0.0, [], 0, []

    def call(self, name, path, function):
        """One call; what is gone meanwhile is no fault. Waiting for a CPU is not the mount's."""
        self.calls += 1
        idle, start = waited(), time.monotonic()
        try:
            return function()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            self.wrong.append(f"{name} {path}: {e.strerror}")
            return None
        finally:
            seconds = time.monotonic() - start
            own = seconds - (waited() - idle)
            self.worst = max(self.worst, own)
            if own > SLOW:
                self.slow.append(f"{name} {path}: {own:.2f} s")
            elif seconds > SLOW:
                self.starved += 1

    def read(self, path):
        """A whole file: as long as it says, and nothing in it torn."""
        fd = self.call("open", path, lambda: os.open(path, os.O_RDONLY))
        if fd is None:
            return
        size = self.call("fstat", path, lambda: os.fstat(fd).st_size)
        content = self.call("read", path, lambda: os.read(fd, 1 << 20))
        self.call("close", path, lambda: os.close(fd))
        if content is None or size is None:
            return
        if len(content) != size:
            self.wrong.append(f"{path}: {len(content)} bytes of {size}")
        elif not is_whole(content):
            self.wrong.append(f"{path}: {content[:300]!r}")

    def walk(self, directory, depth=0):
        if stopped(PAUSE):
            return
        names = self.call("listdir", directory, lambda: os.listdir(directory)) or []
        for name in names:
            path = os.path.join(directory, name)
            st = self.call("lstat", path, lambda p=path: os.lstat(p))
            if st is None or stopped():
                continue
            if stat.S_ISDIR(st.st_mode):
                self.walk(path, depth + 1)
            elif stat.S_ISLNK(st.st_mode):
                self.call("readlink", path, lambda p=path: os.readlink(p))
            elif random.random() < 0.3:
                self.read(path)

    def log(self):
        """Pieces of a log: no NUL, and lines end where the file does."""
        for name in ("events.log", "events.jsonl"):
            path = os.path.join(self.directory, name)
            fd = self.call("open", path, lambda p=path: os.open(p, os.O_RDONLY))
            if fd is None:
                continue
            size = self.call("fstat", path, lambda f=fd: os.fstat(f).st_size) or 0
            piece = self.call("pread", path, lambda f=fd, s=size: os.pread(f, 65536, max(0, s - random.randrange(8192)))) or b"\n"
            self.call("close", path, lambda f=fd: os.close(f))
            if b"\0" in piece or len(piece) < 65536 and not piece.endswith(b"\n"):
                self.wrong.append(f"{path}: {piece[-200:]!r}")
            for line in piece.split(b"\n")[1:-1] if name == "events.jsonl" else ():
                if not is_whole(line):
                    self.wrong.append(f"{path}: a torn line: {line[:300]!r}")

    def run(self):
        loops = 0
        while not stopped():
            self.walk(self.directory)
            self.log()
            loops += 1
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {"calls": self.calls, "loops": loops, "worst": self.worst, "slow": self.slow[:20], "starved": self.starved, "wrong": self.wrong[:20],
                "seconds": used.ru_utime + used.ru_stime}


if __name__ == "__main__":
    os.nice(5)
    print(json.dumps(Reader(sys.argv[1]).run()))
