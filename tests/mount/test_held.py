"""A local reader that holds a directory: it lists it into memory that does not answer, and nobody can be told that a name in there
means something else."""
import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from blocker import blocked
from events import event
from mounts import is_mounted
from reports import status
from servers import wait_for
from test_live import read, see

# Directories that can be held at once before nothing is told any more (senders.h)
SENDERS = 16


@pytest.fixture
def make_other(start_fake, mount):
    """Makes mounts of one large event."""
    def make():
        big = start_fake()
        big.create("default", event("big", message="x" * (1 << 20)))
        return mount(big)
    return make


@pytest.fixture
def other(make_other):
    return make_other()


def held(m):
    return status(m)["held_directories"]


def changes(server, m, about):
    """Creates, updates and deletes an event of the object, and sees each in all of its directories; returns how long the slowest
    took."""
    folder, flat, name = m.path(f"default/pods/{about}/events"), m.path("default/events"), f"{about}-seen"
    sent = event(name, about=about)
    late = []
    assert not os.path.exists(f"{flat}/{name}") and name not in os.listdir(flat)
    server.create("default", sent)
    late.append(see(lambda: os.path.exists(f"{folder}/{name}") and name in os.listdir(folder) and name in os.listdir(flat)))
    sent["count"] = 7
    server.update("default", sent)
    late.append(see(lambda: json.loads(read(f"{folder}/{name}"))["count"] == 7))
    server.delete("default", name)
    late.append(see(lambda: not os.path.exists(f"{flat}/{name}") and name not in os.listdir(flat)))
    return max(late)


def test_it_makes_nothing_else_stale(fake, other, mount):
    for about in ("web-1", "web-2"):
        fake.create("default", event(f"{about}-first", about=about))
    m = mount(fake)
    folder = m.path("default/pods/web-1/events")
    kept = event("kept", about="web-1", message="first")
    fake.create("default", kept)
    see(lambda: os.path.exists(f"{folder}/kept"))
    lines = len(read(m.path("events.log")).splitlines())
    assert not os.path.exists(f"{folder}/late")
    with open(f"{folder}/kept", "rb") as open_file:
        with blocked(other, folder) as [blocker]:
            fake.create("default", event("late", about="web-1"))
            for i in range(10):
                changes(fake, m, "web-2")
            kept["message"] = "second"
            fake.update("default", kept)
            assert wait_for(lambda: held(m) == 1, 20, 0.1)
            changes(fake, m, "web-3")
            # The event itself is seen wherever nobody holds the directory, and the logs miss nothing.
            assert json.loads(read(m.path(".kevfs/namespaces/default/events/kept")))["message"] == "second"
            assert wait_for(lambda: len(read(m.path("events.log")).splitlines()) == lines + 2 + 11 * 2)
            # Of the names that are known there, the old meaning.
            assert json.loads(read(f"{folder}/kept"))["message"] == "first"
            assert blocker.poll() is None
        see(lambda: json.loads(read(f"{folder}/kept"))["message"] == "second" and os.path.exists(f"{folder}/late"))
        assert b'"first"' in open_file.read()
    assert wait_for(lambda: held(m) == 0)
    m.settle(fake)
    assert m.said().count("does not go on") == 1 and "somebody who lists /default/pods/web-1/events does not go on" in m.said()


def test_more_than_is_kept_for_it(fake, other, mount):
    """Names that come, go and change while it is held, more than are remembered; some of them are known as absent, some are held open."""
    names = [f"e{i}" for i in range(600)]
    fake.bulk([("put", "events", "default", event(n, message="first")) for n in names[:400]])
    m = mount(fake)
    folder = m.path("default/pods/web-1/events")
    for n in names:
        os.path.exists(f"{folder}/{n}")
    files = [open(f"{folder}/{n}", "rb") for n in names[:20]]  # pylint: disable=consider-using-with
    try:
        with blocked(other, folder):
            fake.create("default", event("held"))
            assert wait_for(lambda: held(m) == 1, 20, 0.1)
            fake.bulk([("put", "events", "default", event(n, message="second")) for n in names[200:]] + [("delete", "events", "default", n) for n in names[:200]])
            changes(fake, m, "web-2")
        see(lambda: json.loads(read(f"{folder}/{names[300]}"))["message"] == "second", 20)
        see(lambda: not any(os.path.exists(f"{folder}/{n}") for n in names[:200]) and all(os.path.exists(f"{folder}/{n}") for n in names[200:]))
        assert all(b'"first"' in f.read() for f in files)
    finally:
        for f in files:
            f.close()
    assert m.settle(fake) == 401


def test_many_at_once(fake, other, mount):
    """One fewer than can be."""
    folders = [f"held-{i}" for i in range(SENDERS - 1)]
    for about in (*folders, "web-1"):
        fake.create("default", event(f"{about}-first", about=about))
    m = mount(fake)
    with blocked(other, *(m.path(f"default/pods/{about}/events") for about in folders)):
        for about in folders:
            fake.create("default", event(f"{about}-late", about=about))
        assert wait_for(lambda: held(m) == len(folders), 30, 0.1)
        changes(fake, m, "web-1")
    assert wait_for(lambda: held(m) == 0)
    m.settle(fake)
    # One line tells of the first of them, and no more until a minute later.
    assert m.said().count("does not go on") == 1


@pytest.mark.timeout(180)
def test_all_that_can_be(fake, make_other, mount):
    """Nothing goes on, and that is said; until one of them does, also one in which too much changed meanwhile."""
    folders = [f"held-{i}" for i in range(SENDERS)]
    for about in (*folders, "web-1"):
        fake.create("default", event(f"{about}-first", about=about))
    m = mount(fake)
    flat = m.path(".kevfs/namespaces/default/events")
    os.listdir(flat)  # of which there is something to tell, then
    one, many = make_other(), make_other()
    with contextlib.ExitStack() as late:
        with blocked(one, m.path(f"default/pods/{folders[0]}/events")):
            fake.create("default", event("late-0", about=folders[0]))
            assert wait_for(lambda: held(m) == 1, 20, 0.1)
            fake.bulk([("put", "events", "default", event(f"more-{i}", about=folders[0])) for i in range(400)])
            see(lambda: os.path.exists(f"{flat}/more-399"))
            assert not status(m)["stale"] and not status(m)["halted"]
            late.enter_context(blocked(many, *(m.path(f"default/pods/{about}/events") for about in folders[1:])))
            for about in folders[1:]:
                fake.create("default", event(f"{about}-late", about=about))
            assert wait_for(lambda: held(m) == SENDERS, 60, 0.1)
            said = status(m)
            assert said["stale"] and said["halted"] and said["since"] == said["halted_since"] and said["connected"]
            # More than waits to be told.
            fake.bulk([("put", "events", "default", event(f"while-{i}", about="web-1")) for i in range(3000)])
            time.sleep(1)
            assert not os.path.exists(f"{flat}/while-2999") and status(m)["stale"]
        # The first one has come free, the others are held.
        see(lambda: os.path.exists(f"{flat}/while-2999") and not status(m)["stale"], 30)
        assert not status(m)["halted"] and held(m) == SENDERS - 1
        changes(fake, m, "web-1")
    assert wait_for(lambda: held(m) == 0)
    m.settle(fake)
    assert m.said().count("nothing that changes is seen any more") == 1 and m.said().count("what changes is seen again") == 1


def assert_readable(path):
    """By a process of its own, which nobody waits for should it hang."""
    reader = subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL)  # pylint: disable=consider-using-with
    assert wait_for(lambda: reader.poll() is not None, 20), path
    assert reader.returncode == 0, path


def test_where_the_status_is(fake, other, mount):
    """Nobody is kept waiting for what is said there, and the logs beside it go on: they grow, and are rotated."""
    fake.create("default", event("first"))
    m = mount(fake, "log_max=64K")
    said = [m.path(f".kevfs/{n}") for n in ("status", "metrics", "version", "events.log", "namespaces/default/events/first")]
    for path in said:
        assert_readable(path)
    os.listdir(m.path(".kevfs/namespaces"))
    with open(m.path("events.log"), "rb", buffering=0) as log, blocked(other, m.path(".kevfs")) as [blocker]:
        log.read()
        for i in range(20):
            # All that stands there changes: a directory in it, a log's size, and which log it is.
            fake.namespace(f"later-{i}")
            fake.create("default", event(f"large-{i}", message="x" * 8192))
            for path in said:
                assert_readable(path)
            if i == 0:
                assert wait_for(lambda: b"default/pod/web-1" in log.read())
            changes(fake, m, f"web-{i % 3}")
        assert_readable(m.path(".kevfs/events.log.1"))
        see(lambda: "later-19" in os.listdir(m.path(".kevfs/namespaces")))
        assert held(m) == 0 and blocker.poll() is None
    assert m.settle(fake) == 21
    assert "does not go on" not in m.said()


def test_the_end_while_one_is_held(fake, other, mount):
    """The mount goes at once; what remains of the process goes with the reader."""
    fake.create("default", event("first"))
    m = mount(fake)
    pid = m.pid()
    with blocked(other, m.path("default/pods/web-1/events")):
        fake.create("default", event("late"))
        assert wait_for(lambda: held(m) == 1, 20, 0.1)
        os.kill(pid, signal.SIGTERM)
        assert wait_for(lambda: not is_mounted(m.dir), 20, 0.05)
        assert wait_for(lambda: f"process {pid} ends when that reader does" in m.said(), 20, 0.05)
    assert m.wait_end() == 0
