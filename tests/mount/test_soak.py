"""24 hours of events at speed, and what of kevfs grows with them: memory, descriptors, threads. scripts/check-all soak runs it.

SOAK_HOURS and SOAK_RATE (changes in each second of these hours) make it longer, shorter or fuller.
"""
import contextlib
import gzip
import os
import statistics
import subprocess
import threading
import time

import pytest

import day
from metrics import Metrics
from reports import status
from servers import wait_for
from test_live import running

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(3600)]

HOURS = int(os.environ.get("SOAK_HOURS", "24"))
RATE = float(os.environ.get("SOAK_RATE", "20"))
# What is needed only once has come by then: every event of the first hour has expired, and every log has rotated, also an object's.
WARM = HOURS // 3
LOG = "64K"
GROWTH = 1.05
# What is free lies between what is used, in more or less of the pages that the system counts; how much of it, chance decides.
SCATTER = 1.15


class Figures:
    """What a process takes, looked at again and again."""

    def __init__(self, m):
        self.m, self.pid, self.rows = m, m.pid(), []

    def memory(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])

    def take(self):
        # The lowest of some: a batch that is under way is no growth.
        memory = []
        for _ in range(5):
            memory.append(self.memory())
            time.sleep(0.1)
        usage = os.statvfs(self.m.dir)
        self.rows.append({"kB": min(memory), "used": int(Metrics(self.m).get("kevfs_memory_used_bytes")) >> 10, "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")), "threads": len(os.listdir(f"/proc/{self.pid}/task")),
                          "nodes": usage.f_files - usage.f_ffree})

    def column(self, name):
        return [row[name] for row in self.rows]

    def said(self):
        return "\n".join(f"{name}: " + " ".join(str(value) for value in self.column(name)) for name in self.rows[0])

    def check(self):
        """The last quarter against the hours after the first ones."""
        quarter = max(1, (len(self.rows) - WARM) // 4)
        early, late = self.rows[WARM:WARM + quarter], self.rows[-quarter:]
        for name, growth in (("kB", SCATTER), ("used", GROWTH), ("nodes", GROWTH), ("descriptors", 1), ("threads", 1)):
            before, after = (statistics.median(row[name] for row in rows) for rows in (early, late))
            assert after <= before * growth, f"{name}: from {before} to {after}\n{self.said()}"


def drop_caches():
    """The kernel forgets all nodes that nobody holds, and tells us so. Only root may ask for it."""
    with contextlib.suppress(PermissionError), open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("2")


def reader(m, loops):
    """Reads everything, by turns as a backup does and as a person looks around."""
    def loop(stop):
        while not stop.is_set():
            subprocess.run(["grep", "-rc", "BackOff", m.dir], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=600)
            for namespace in range(day.NAMESPACES):
                for view in ("by-type/Warning", "by-node", "by-reason/BackOff", "events"):
                    with contextlib.suppress(FileNotFoundError):
                        for name in os.listdir(m.path(f"team-{namespace}", view))[:50]:
                            os.lstat(m.path(f"team-{namespace}", view, name))
            loops.append(time.monotonic())
    return loop


def follower(m, lines):
    """tail -F of all there is."""
    def follow(stop):
        with subprocess.Popen(["tail", "-n", "0", "-F", m.path("events.log")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
            threading.Thread(target=lambda: (stop.wait(), tail.terminate())).start()
            for _ in tail.stdout:
                lines.append(None)
    return follow


def tell(server, changes):
    """Makes the changes, some hundred at a time. Returns how many there were."""
    count, batch = 0, []
    for op, namespace, name, text, _ in changes:
        batch.append(day.order(op, namespace, name, text))
        count += 1
        if len(batch) == 500:
            post(server, batch)
            batch = []
    post(server, batch)
    return count


def post(server, batch):
    if batch:
        status, _, body = server.request("POST", "/bulk", "\n".join(batch).encode(), url=server.control)
        assert status == 200, body


def caught_up(m, server):
    """As many as the server has, and following; that they are the same is looked at in the end."""
    def look():
        said = status(m)
        return not said["stale"] and said["events"] == server.order("stats", "GET")["events"]
    return wait_for(look, 60, 0.2)


def test_a_day_of_a_cluster(start_fake, mount, capsys):
    """Each hour ends with what happens to a watch in real life: it is ended, its connection dropped, or what it was at is compacted
    away, so that everything is listed anew."""
    server = start_fake("-history", "20000")
    server.bulk([("put", "pods", namespace, {"metadata": {"name": name}}) for namespace, name in day.Day(1).pods()])
    m = mount(server, f"log_max={LOG}", "xattr")
    figures, loops, lines, changes, told = Figures(m), [], [], 0, day.Day(RATE)
    start = time.monotonic()
    with running(reader(m, loops), follower(m, lines)):
        for hour in range(HOURS):
            changes += tell(server, told.changes(day.HOUR))
            if hour % 3 == 0:
                server.order("compact")
                server.order("end")
            else:
                server.order(("drop", "end")[hour % 2])
            assert caught_up(m, server), status(m)
            if hour % 2:
                drop_caches()
            figures.take()
    seconds = time.monotonic() - start
    count = m.settle(server, 60)
    with capsys.disabled():
        print(f"\n{HOURS} h as {changes} changes in {seconds:.0f} s ({changes / seconds:.0f} a second), {len(loops)} walks and {len(lines)} lines followed; then {count} files equal\n{figures.said()}")
    assert len(loops) > 3 and lines
    figures.check()


def test_a_recorded_day(mount, scratch, capsys):
    """The same, as a recording that is played in some minutes."""
    path, told, speed = scratch / "day.gz", day.Day(RATE / 8), 360
    with gzip.open(path, "wt", compresslevel=1) as f:
        for op, _, _, text, _ in told.changes(HOURS * day.HOUR):
            f.write(day.line(op, text))
    m = mount(None, f"replay={speed}", f"log_max={LOG}", source=f"file:{path}")
    figures, loops = Figures(m), []
    begun = time.monotonic()
    with running(reader(m, loops)):
        for hour in range(HOURS):
            wait_for(lambda: time.monotonic() >= begun + (hour + 1) * day.HOUR / speed, 600, 0.05)
            if hour % 2:
                drop_caches()
            figures.take()
    files = len(m.files())
    with capsys.disabled():
        print(f"\n{HOURS} h at {speed} times their speed: {len(loops)} walks; then {files} of {len(told.alive)} files\n{figures.said()}")
    assert wait_for(lambda: len(m.files()) == len(told.alive), 60, 0.5)
    figures.check()
