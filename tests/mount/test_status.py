"""/.kevfs/status: how kevfs is, as JSON, made when it is looked up."""
import json
import os
import re
import subprocess
import threading
import time

import pytest

from events import event
from reports import status
from servers import run, wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z")


def watches(m):
    return status(m)["watches"]


def test_what_it_says(server, mount):
    m = mount(server)
    assert wait_for(lambda: not status(m)["stale"])
    said = status(m)
    assert set(json.loads(run("jq", "-e", ".", m.path(".kevfs/status")).stdout)) == set(said)
    assert said["synced"] is True and said["source"] == "-" and said["mtime"] == "name" and said["last_error"] == ""
    assert said["server"] == server.url
    assert run(m.session.binary, "--version").stdout.decode().split()[1] == said["version"]
    assert said["events"] >= 2000 and said["pods"] > 0 and said["namespaces"] >= 4
    assert list(said["watches"]) == ["events", "pods", "namespaces"]
    for watch in said["watches"].values():
        assert watch["connected"] is True and watch["reconnects"] == watch["relists"] == 0 and TIME.match(watch["since"])
    assert TIME.match(said["since"]) and TIME.match(said["started"]) and said["started"] <= said["since"]


def test_it_counts(fake, mount):
    m = mount(fake)
    before = status(m)["events"]
    fake.create("default", event("one"))
    assert wait_for(lambda: status(m)["events"] == before + 1)
    fake.delete("default", "one")
    assert wait_for(lambda: status(m)["events"] == before)


def test_each_look_is_fresh_and_whole(fake, mount):
    """As long as stat says, never torn, from several threads while it changes; and no node stays behind."""
    m = mount(fake)
    path, errors, sizes = m.path(".kevfs/status"), [], set()
    stop = threading.Event()

    def look():
        while not stop.is_set():
            with open(path, "rb") as f:
                size, text = os.fstat(f.fileno()).st_size, f.read()
            sizes.add(size)
            if len(text) != size:
                errors.append((size, len(text)))
            json.loads(text)
    threads = [threading.Thread(target=look) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(15):
        fake.load(20, namespaces=1)
        time.sleep(0.1)
    stop.set()
    for t in threads:
        t.join()
    assert errors == [] and len(sizes) >= 2


def test_an_open_one_stays_as_it_is(fake, mount):
    m = mount(fake)
    with open(m.path(".kevfs/status"), "rb") as f:
        before = os.stat(f.fileno())
        fake.create("default", event("one"))
        assert wait_for(lambda: status(m)["events"] == 1)
        assert json.loads(f.read())["events"] == 0
        assert os.fstat(f.fileno()).st_mtime_ns == before.st_mtime_ns < os.stat(m.path(".kevfs/status")).st_mtime_ns
        assert before.st_ino == os.stat(m.path(".kevfs/status")).st_ino


def test_listings(fake, mount):
    """It is seen where .kevfs is listed, with its size; and a walk of the mount meets events only."""
    fake.create("default", event("one"))
    m = mount(fake)
    for _ in range(3):
        assert "status" in os.listdir(m.path(".kevfs"))
        line = next(l for l in run("ls", "-l", m.path(".kevfs")).stdout.decode().splitlines() if l.endswith(" status"))
        assert line.startswith("-r--r--r--") and int(line.split()[4]) > 200
        time.sleep(0.01)
        assert abs(os.stat(m.path(".kevfs/status")).st_mtime_ns - time.time_ns()) < 5 * 10**9
    assert [os.path.basename(f) for f in m.files()] == [b"one"]


@pytest.mark.parametrize("source", ["list", "recording"])
def test_a_file_is_in_sync_for_ever(fake, mount, scratch, source):
    fake.create("default", event("one"))
    one = fake.kubectl("get", "event", "one", "-o", "json").stdout
    (scratch / "dump").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout if source == "list" else b'{"type":"ADDED","object":' + one + b"}\n")
    m = mount(None, source=f"file:{scratch}/dump")
    said = status(m)
    assert (said["synced"], said["stale"], said["watches"], said["events"]) == (True, False, {}, 1)
    assert said["source"] == f"file:{scratch}/dump" and said["server"] == f"{scratch}/dump"
    # The tree shows some, which only the event mentions; as the man page says it.
    assert said["pods"] == said["namespaces"] == 0 and os.listdir(m.path("default/pods"))
    assert status(mount(None, "namespace=default", source=f"file:{scratch}/dump"))["namespaces"] == 1


def test_hostile_names_of_a_source(mount, scratch):
    """What stands on the command line is for people; it must not end the JSON, nor reach a terminal."""
    name = os.fsencode(scratch) + b'/a"b\\c\n\x1b[31m\xff'
    with open(name, "wb") as f:
        f.write(b'{"kind":"List","apiVersion":"v1","items":[]}')
    m = mount(None, source=os.fsdecode(b"file:" + name))
    raw = open(m.path(".kevfs/status"), "rb").read()
    assert b"\x1b" not in raw and raw.decode() and status(m)["source"].endswith('a"b\\c\\x0a\\x1b[31m\\xff')


def test_the_server_goes_and_comes_back(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    assert wait_for(lambda: not status(m)["stale"])
    calm = status(m)
    fake.order("outage", seconds=0)
    assert wait_for(lambda: status(m)["stale"], 10)
    said = status(m)
    assert said["synced"] and said["events"] == 1 and said["since"] > calm["since"]
    assert wait_for(lambda: "127.0.0.1" in status(m)["last_error"], 10)
    assert not watches(m)["events"]["connected"]
    fake.order("recover")
    assert wait_for(lambda: not status(m)["stale"], 45, 0.1)
    said = status(m)
    assert said["watches"]["events"]["reconnects"] >= 1 and "127.0.0.1" in said["last_error"] and said["since"] > calm["since"]


def test_a_watch_that_the_server_ends_is_nothing_stale(fake, mount):
    """As real ones do after some minutes."""
    m = mount(fake)
    assert wait_for(lambda: fake.watching())
    assert wait_for(lambda: not status(m)["stale"])
    since, stale = status(m)["since"], []
    time.sleep(2)
    fake.order("end")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        stale.append(status(m)["stale"])
    assert wait_for(lambda: watches(m)["events"]["reconnects"] == 1)
    assert not any(stale) and status(m)["since"] == since


def test_pods_that_may_not_be_listed(fake, mount):
    with fake.fault("status", resource="pods", code=403):
        m = mount(fake)
        assert wait_for(lambda: not status(m)["stale"])
        said = status(m)
        assert not said["watches"]["pods"]["connected"] and "pods may not be listed" in said["last_error"] and said["watches"]["events"]["last_error"] == ""


def test_it_is_answered_before_the_first_sync(fake, mount):
    """With delay_sync, when all else waits; and nothing of what was said then is believed later."""
    fake.create("default", event("one"))
    with fake.fault("stall", resource="events") as fault:
        m = mount(fake, "delay_sync")
        waiting = subprocess.Popen(["ls", m.path("default")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        inside = subprocess.Popen(["ls", m.path(".kevfs")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3):
            start = time.monotonic()
            said = status(m)
            assert time.monotonic() - start < 2 and (said["synced"], said["stale"], said["events"]) == (False, True, 0)
        assert waiting.poll() is None and inside.poll() is None
        fault.remove()
    assert wait_for(lambda: status(m)["synced"])
    assert {b"events", b"pods"} <= set(waiting.communicate(timeout=20)[0].split()) and b"status" in inside.communicate(timeout=20)[0]
    assert os.stat(m.path(".kevfs")).st_mtime_ns > 10**18 and os.listdir(m.path("default/pods")) == ["web-1"]
    assert wait_for(lambda: not status(m)["stale"]) and status(m)["events"] == 1


def test_it_is_read_only(fake, mount):
    m = mount(fake)
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC):
        with pytest.raises(OSError):
            os.open(m.path(".kevfs/status"), flags)
