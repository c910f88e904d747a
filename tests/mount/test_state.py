"""-o state=DIR: history on disk. What was shown is there again at the next mount, whatever happened in between."""
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import available
from events import event
from reports import status
from servers import Real, wait_for
from test_tree import define_gadgets

ACKNOWLEDGED = re.compile(r"history: (\d+) revisions acknowledged, the last one is (\d+)")


def names(m, namespace="default"):
    try:
        return sorted(os.listdir(m.path(namespace, "events")))
    except FileNotFoundError:
        return []


def look(m):
    """{path: (inode, mtime, ctime, size, content)} of every event."""
    found = {}
    for path in m.files():
        s = os.stat(path)
        with open(path, "rb") as f:
            found[os.path.relpath(path, os.fsencode(m.dir))] = s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_size, f.read()
    return found


def acknowledged(m):
    """(how many, resourceVersion of the last) that kevfs says are safe, (0, 0) before the first."""
    said = ACKNOWLEDGED.findall(m.said())
    return tuple(map(int, said[-1])) if said else (0, 0)


def history(m):
    """What status says of it."""
    with open(m.path(".kevfs/status"), "rb") as f:
        return json.loads(f.read())["history"]


def database(state):
    """To read along, as anybody may."""
    return sqlite3.connect(f"file:{state}/events.db?mode=ro", uri=True)


def current(state):
    """{name: resourceVersion} of the current revisions, and the result of SQLite's own check."""
    with database(state) as db:
        rows = dict(db.execute("SELECT cast(name AS TEXT), cast(cast(resource_version AS TEXT) AS INTEGER) FROM revisions WHERE superseded = 0"))
        return rows, db.execute("PRAGMA integrity_check").fetchone()[0]


def test_the_next_mount_shows_it_at_once(server, mount, scratch):
    """The same files with the same attributes, also where the server does not answer; then it is followed again."""
    home = server.namespace("remembered")
    state = f"state={scratch}/state"
    for i in range(5):
        server.create(home, event(f"e{i}", home))
    m = mount(server, state, f"namespace={home}")
    assert wait_for(lambda: history(m)["acknowledged"] == 5)
    again = server.create(home, event("live", home))
    assert wait_for(lambda: "live" in names(m, home))
    again["message"] = "anew"
    server.update(home, again)
    assert wait_for(lambda: b"anew" in open(m.path(home, "events/live"), "rb").read())
    server.delete(home, "e0")
    before = look(m)
    assert len(before) == 6
    assert wait_for(lambda: history(m)["acknowledged"] == 7)
    said = history(m)
    assert said["superseded"] == 1 and not said["failing"] and said["resource_version"] == json.loads(open(m.path(home, "events/live"), "rb").read())["metadata"]["resourceVersion"]
    m.close()
    # Nobody is told: what is missing then is gone, and what is new comes.
    server.delete(home, "e1")
    server.create(home, event("later", home))
    m = mount(server, state, f"namespace={home}", "log_level=info")
    assert wait_for(lambda: len(names(m, home)) == 7)
    after = look(m)
    assert {k: after[k] for k in before} == before
    log = open(m.path(home, "events.jsonl"), "rb").read().splitlines()
    assert sorted(json.loads(line)["message"] for line in log if json.loads(line)["metadata"]["name"] == "live") == ["a message", "anew"]
    m.close()
    with database(scratch / "state") as db:
        gone = {n for n, in db.execute("SELECT cast(name AS TEXT) FROM revisions WHERE gone > 0 AND superseded = 0")}
        past = db.execute("SELECT cast(name AS TEXT), cast(text AS TEXT) FROM revisions WHERE superseded > 0").fetchall()
    assert gone == {"e0", "e1"}
    assert len(past) == 1 and past[0][0] == "live" and json.loads(past[0][1])["message"] == "a message"


def test_without_a_server(fake, mount, scratch):
    """It is mounted at once, and complete, while the server is down or refuses; then it is in sync again."""
    fake.load(500, namespaces=3)
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    before = look(m)
    m.close()
    fake.order("outage", seconds=0)
    m = mount(fake, f"state={scratch}/state", background=True)
    assert m.seconds < 5
    assert look(m) == before
    m.close()
    m = mount(fake, f"state={scratch}/state", "delay_sync")
    assert m.seconds < 5 and look(m) == before
    fake.order("recover")
    fake.create("default", event("two"))
    assert wait_for(lambda: names(m) == ["one", "two"], 20)
    m.close()
    with fake.fault("status", resource="events", code=403):
        m = mount(fake, f"state={scratch}/state")
        assert names(m) == ["one", "two"]
        assert wait_for(lambda: "may not be listed" in m.said())
        assert status(m)["stale"]
    fake.create("default", event("three"))
    assert wait_for(lambda: "three" in names(m), 60)


def test_a_first_sync_that_was_never_complete(fake, mount, scratch):
    """Half of it is not shown as if it were all."""
    fake.load(12000, namespaces=3)
    with fake.fault("stall", resource="events", verb="list", page=2):
        m = mount(fake, f"state={scratch}/state", "delay_sync", "sync_timeout=60", "log_level=debug")
        assert wait_for(lambda: os.path.exists(scratch / "state/events.db") and acknowledged(m)[0] > 1000, 20)
        os.kill(m.pid(), signal.SIGKILL)
        m.process.wait(10)
        subprocess.run(["umount", m.dir], check=True)
        m.refused = True
        m = mount(fake, f"state={scratch}/state", "sync_timeout=1", refused=True)
        assert m.returncode == 32
    m = mount(fake, f"state={scratch}/state")
    assert len(m.files()) == 12000


def test_what_the_first_sync_brings_is_new(fake, mount, scratch):
    """The tree was shown before: what comes then has a later ctime than any moment at which it was not there. tar -g and find -newerct
    would miss it."""
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    assert wait_for(lambda: history(m)["acknowledged"] == 1)
    m.close()
    fake.order("outage", seconds=0)
    fake.bulk([("create", "events", "default", event("two"))])
    m = mount(fake, f"state={scratch}/state")
    time.sleep(1.5)
    assert names(m) == ["one"]
    looked = time.time_ns()
    fake.order("recover")
    assert wait_for(lambda: names(m) == ["one", "two"], 20)
    assert os.stat(m.path("default/events/two")).st_ctime_ns > looked


def test_kinds_are_remembered(fake, mount, scratch):
    """A custom kind's events stand where they stood, although nobody can be asked."""
    fake.create("default", event("cert", kind="Certificate", about="tls", api_version="cert-manager.io/v1"))
    m = mount(fake, f"state={scratch}/state")
    before = m.tree()
    m.close()
    fake.order("outage", seconds=0)
    m = mount(fake, f"state={scratch}/state")
    assert [p for p in m.tree() if "tls" in p] == [p for p in before if "tls" in p] != []


def test_a_kind_that_came_meanwhile(fake, mount, scratch):
    """It stands where it belongs from the first moment, although events come sooner than what says what they are about."""
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    m.close()
    define_gadgets(fake)
    fake.create("default", event("g", kind="Gadget", about="g", api_version="example.com/v1"))
    with fake.fault("stall", verb="discovery") as fault:
        m = mount(fake, f"state={scratch}/state")
        time.sleep(1)
        assert fault.acted() and names(m) == ["one"]
    assert wait_for(lambda: names(m) == ["g", "one"])
    assert m.members("default") == ["gadgets.example.com", "pods"]


def test_retain_is_a_day_and_expires(fake, mount, scratch):
    for name in ("one", "two"):
        fake.create("default", event(name))
    m = mount(fake, f"state={scratch}/state")
    fake.delete("default", "one")
    time.sleep(0.5)
    assert names(m) == ["one", "two"]
    m.close()
    m = mount(fake, f"state={scratch}/state", "retain=1s")
    assert wait_for(lambda: names(m) == ["two"], 5)
    two = fake.get("/api/v1/namespaces/default/events/two")
    for i in range(20):
        two["message"] = f"message {i}"
        two = fake.update("default", two)
    assert wait_for(lambda: b"message 19" in open(m.path("default/events/two"), "rb").read())

    def left():
        with database(scratch / "state") as db:
            return db.execute("SELECT count(*) FROM revisions").fetchone()[0]
    assert wait_for(lambda: left() == 1, 10, 0.1)


def test_refusals(fake, mount, scratch, start_fake):
    """Each with its reason, before anything is mounted."""
    def refused(words, *options, server=fake, **keywords):
        m = mount(server, *options, refused=True, **keywords)
        assert m.returncode in (1, 32)
        for word in words:
            assert word in m.said(), m.said()
    state = scratch / "state"
    m = mount(fake, f"state={state}")
    refused(["another kevfs uses it"], f"state={state}")
    m.close()
    refused(["the namespaces", "default"], f"state={state}", "namespace=default")
    refused(["the field selector", "type=Warning"], f"state={state}", "field_selector=type=Warning")
    refused(["the server"], f"state={state}", server=start_fake())
    refused(["-o state is for API servers"], f"state={state}", source="file:/dev/null")
    refused(["~/state", "$HOME"], "state=~/state")
    for inside in ("", "/", "/state", "/no/such"):
        (scratch / "mountpoint").mkdir(exist_ok=True)
        refused(["lies in the mountpoint"], f"state={scratch}/mountpoint{inside}", directory=scratch / "mountpoint")
    (scratch / "file").write_text("x")
    refused(["ot a directory"], f"state={scratch}/file")
    damaged = scratch / "damaged"
    damaged.mkdir()
    (damaged / "events.db").write_bytes(b"garbage " * 1000)
    refused(["is damaged", "move it away"], f"state={damaged}")
    with sqlite3.connect(state / "events.db") as db:
        db.execute("PRAGMA user_version = 99")
    refused(["newer kevfs"], f"state={state}")
    with sqlite3.connect(state / "events.db") as db:
        db.execute("PRAGMA user_version = 1")
    assert os.stat(state / "events.db").st_mode & 0o777 == 0o600 and os.stat(state).st_mode & 0o777 == 0o700
    mount(fake, f"state={state}").close()
    # The same view, said in another order.
    mount(fake, f"state={scratch}/two", "namespace=default", "namespace=kube-system").close()
    mount(fake, f"state={scratch}/two", "namespace=kube-system", "namespace=default").close()
    refused(["the namespaces", "default,kube-system"], f"state={scratch}/two", "namespace=default")


def test_a_full_disk(fake, mount, scratch):
    """The mount goes on as if nothing were; it is said once; and when there is room again, everything is written."""
    state = scratch / "small"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3M", "none", state], check=True)
    try:
        m = mount(fake, f"state={state}", "log_level=debug")
        fake.bulk([("create", "events", "default", event(f"e{i:04}", message="x" * 900)) for i in range(3000)])
        assert wait_for(lambda: len(names(m)) == 3000)
        assert wait_for(lambda: "history is not written" in m.said(), 20)
        assert history(m)["failing"] and "full" in history(m)["last_error"]
        fake.create("default", event("live"))
        assert wait_for(lambda: "live" in names(m))
        subprocess.run(["mount", "-o", "remount,size=100M", state], check=True)
        assert wait_for(lambda: "history is written again" in m.said(), 20)
        m.close()
        rows, check = current(state)
        assert len(rows) == 3001 and check == "ok"
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def test_the_directory_is_removed(fake, mount, scratch):
    """What is written into a file that has no name any more is not called safe."""
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    assert wait_for(lambda: history(m)["acknowledged"] == 1)
    (scratch / "state").rename(scratch / "aside")
    fake.create("default", event("two"))
    assert wait_for(lambda: history(m)["failing"])
    assert history(m)["acknowledged"] == 1 and "moved" in history(m)["last_error"]
    assert names(m) == ["one", "two"]
    # When it is back, what was missed is made up for.
    (scratch / "aside").rename(scratch / "state")
    assert wait_for(lambda: history(m)["acknowledged"] == 2, 20)
    assert not history(m)["failing"]


class Load:
    """Events that come, change and go, one after the other, as fast as the server takes them; and when each had which revision. There
    are never so many at once that a sync takes longer than who kills waits."""

    def __init__(self, fake):
        self.fake, self.stop, self.written, self.deleted = fake, threading.Event(), [], set()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        alive, i = [], 0
        while not self.stop.is_set():
            i += 1
            made = self.fake.create("default", event(f"load-{i:06}"))
            self.written.append((int(made["metadata"]["resourceVersion"]), made["metadata"]["name"]))
            alive.append(made)
            if i % 3 == 0:
                changed = alive[i % len(alive)]
                changed["message"] = f"message {i}"
                changed.update(self.fake.update("default", changed))
                self.written.append((int(changed["metadata"]["resourceVersion"]), changed["metadata"]["name"]))
            if i % 7 == 0 or len(alive) > 2000:
                name = alive.pop(0)["metadata"]["name"]
                self.deleted.add(name)
                self.fake.delete("default", name)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def kill_and_look(fake, mount, state, load, after, known):
    """One round: mounts, kills after so many seconds, and compares what is on the disk with what was acknowledged. known is what
    the round before found there, and is replaced. Returns how many revisions were acknowledged, and whether
    the last one told which others must be there."""
    m = mount(fake, f"state={state}", "log_level=debug")
    end, synced = time.monotonic() + after, None
    while time.monotonic() < end:
        if synced is None and "in sync with" in m.said():
            synced = load.written[-1][0]  # what comes from here on is seen, however briefly it lives
        time.sleep(0.005)
    os.kill(m.pid(), signal.SIGKILL)
    m.process.wait(10)
    subprocess.run(["umount", m.dir], check=True)
    m.refused = True  # how it ended is not its fault
    count, last = acknowledged(m)
    rows, check = current(state)
    assert check == "ok"
    want = dict(known)
    # A list comes in the order of names: only behind it does the last revision say which others are there.
    checked = synced is not None and last > synced
    if checked:
        for version, name in list(load.written):
            if version <= last and (name not in load.deleted or version > synced):
                want[name] = version
    missing = [(name, version, rows.get(name)) for name, version in want.items() if rows.get(name, 0) < version]
    assert not missing, f"{len(missing)} of {len(want)}: {missing[:5]}"
    known.clear()
    known.update(rows)
    return count, checked


@pytest.mark.timeout(120)
def test_kill_9_under_load(fake, mount, scratch):
    """No event that was acknowledged is missing, and the database is whole; what the server deletes stays for a day."""
    state, known = scratch / "state", {}
    with Load(fake) as load:
        counts = [kill_and_look(fake, mount, state, load, after, known) for after in (0.05, 0.3, 1.5)]
    assert counts[2][0] > 100 and counts[2][1]
    m = mount(fake, f"state={state}")
    assert wait_for(lambda: set(names(m)) >= set(known) | {n for _, n in fake.events()}, 10)
    assert set(known) & load.deleted


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_9_fifty_times(fake, mount, scratch, capsys):
    state, known, rng = scratch / "state", {}, random.Random(7)
    with Load(fake) as load:
        counts = [kill_and_look(fake, mount, state, load, rng.uniform(0, 2), known) for _ in range(50)]
    with capsys.disabled():
        print(f"\n50 x kill -9, {sum(c for _, c in counts)} behind a whole sync: {sum(n for n, _ in counts)} revisions acknowledged of {len(load.written)} written, none missing")
    assert sum(c for _, c in counts) > 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_real_server_forgets(workspace, mount, scratch, capsys):
    """Where Events live for a minute: what expired stays, marked, also across a mount; the rest is as kubectl says."""
    server = available(lambda: Real(workspace.new_directory("real"), ttl="60s"))
    try:
        server.flood(500)
        m = mount(server, f"state={scratch}/state")
        before = m.events()
        start = time.monotonic()
        while len(set(before) - set(server.events())) < 400:
            assert time.monotonic() - start < 300, "nothing expires"
            time.sleep(1)
        expired = set(before) - set(server.events())
        assert wait_for(lambda: status(m)["retained"] >= len(expired), 30)
        m.close()
        m = mount(server, f"state={scratch}/state")
        left = m.events()
        assert {k: left[k][1] for k in expired} == {k: before[k][1] for k in expired}

        def live():
            """What is not gone equals what the server has."""
            with database(scratch / "state") as db:
                gone = {tuple(row) for row in db.execute("SELECT cast(namespace AS TEXT), cast(name AS TEXT) FROM revisions WHERE gone > 0 AND superseded = 0")}
            return gone >= expired and {k: v for k, (_, v) in m.events().items() if k not in gone} == server.oracle()
        assert wait_for(live, 60, 0.5)
        assert b" Gone " in open(m.path("events.log"), "rb").read()
    finally:
        server.close()
    with capsys.disabled():
        print(f"\nexpiry: {len(expired)} of {len(before)} Events expired on the server, all of them are there after another mount")
