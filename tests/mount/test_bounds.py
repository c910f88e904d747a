"""max_events and max_bytes: the newest stay, whatever the server lists."""
import os
import time

import pytest

from events import event, stamp
from reports import status
from servers import wait_for
from test_live import read, see

OLD = 1782900000  # seconds since the epoch


def created(i, **more):
    """The i-th of many: those that the server writes in one second are ordered by when they were seen last."""
    return event(f"e{i}", lastTimestamp=stamp(OLD + i), **more)


def fill(fake, count):
    fake.bulk([("put", "events", "default", created(i)) for i in range(count)])


def shown(m):
    return set(os.listdir(m.path(".kevfs/namespaces/default/events")))


def names(first, last):
    return {f"e{i}" for i in range(first, last)}


def test_the_newest_are_shown(fake, mount):
    fill(fake, 300)
    m = mount(fake, "max_events=100")
    assert shown(m) == names(200, 300)
    said = status(m)
    assert said["events"] == 100 and said["evicted"] == 200 and said["evicted_since"] >= said["started"]
    assert m.said().count("max_events") == 1
    # What comes is the newest, and what is updated is there again.
    fake.create("default", event("new"))
    see(lambda: shown(m) == names(201, 300) | {"new"})
    fake.update("default", event("e7", count=7))
    see(lambda: shown(m) == names(202, 300) | {"new", "e7"})
    assert os.statvfs(m.dir).f_files - os.statvfs(m.dir).f_ffree < 200
    # Nothing is called gone.
    assert b" gone" not in read(m.path("events.log"))


def test_a_relist_changes_nothing(fake, mount):
    fill(fake, 300)
    m = mount(fake, "max_events=100")
    flat = m.path(".kevfs/namespaces/default/events")
    before, lines = os.stat(flat).st_mtime_ns, read(m.path("events.log"))
    relists = status(m)["watches"]["events"]["relists"]
    fake.order("compact")
    fake.order("drop")
    assert wait_for(lambda: status(m)["watches"]["events"]["relists"] > relists and not status(m)["stale"])
    assert shown(m) == names(200, 300)
    assert os.stat(flat).st_mtime_ns == before and read(m.path("events.log")) == lines
    assert status(m)["evicted"] > 200


def hostile(i):
    """What anybody who may update Events can have one say; but not when it was created."""
    liar = event(f"h{i}", lastTimestamp=stamp(OLD + 10 ** 9))
    liar["metadata"].update(creationTimestamp=stamp(OLD), managedFields=[{"manager": "x", "operation": "Update", "time": stamp(OLD + 10 ** 9)}])
    return liar


def test_a_storm_from_the_future(fake, mount):
    """Events that say that they are from the future do not stand in the way of others for ever: neither at the first sync,
    nor by a watch, nor by a later list."""
    def storm():
        fake.bulk([("put", "events", "default", hostile(i)) for i in range(100)])
    storm()
    fill(fake, 30)
    m = mount(fake, "max_events=20")
    assert shown(m) == names(10, 30)
    # As they come, they are the newest; what comes later is newer.
    storm()
    see(lambda: shown(m) < {f"h{i}" for i in range(100)})
    time.sleep(1.1)
    fake.bulk([("put", "events", "default", event(f"new{i}")) for i in range(20)])
    see(lambda: shown(m) == {f"new{i}" for i in range(20)})
    relists = status(m)["watches"]["events"]["relists"]
    fake.order("compact")
    fake.order("drop")
    assert wait_for(lambda: status(m)["watches"]["events"]["relists"] > relists and not status(m)["stale"])
    assert shown(m) == {f"new{i}" for i in range(20)}


def test_bytes(fake, mount):
    fake.bulk([("put", "events", "default", created(i, message="x" * 10000)) for i in range(50)])
    m = mount(fake, "max_bytes=120K")
    assert 10 <= len(shown(m)) <= 12 and "e49" in shown(m)
    assert sum(os.stat(p).st_size for p in m.files()) <= 120 << 10
    # One that is larger than all that may be does not come in, and drives out nobody.
    had = shown(m)
    fake.create("default", event("huge", message="x" * 200000))
    fake.create("default", event("small"))
    see(lambda: "small" in shown(m))
    assert "huge" not in shown(m) and len(had - shown(m)) <= 1


@pytest.mark.parametrize("options", [(), ("retain=1h",)], ids=["", "retain"])
def test_with_a_state(fake, mount, scratch, options):
    """What is let go leaves the history, also when it is loaded with a lower bound."""
    fill(fake, 60)
    options = (f"state={scratch}/state", *options)
    m = mount(fake, "max_events=50", *options)
    assert wait_for(lambda: status(m)["history"]["acknowledged"] >= 50)
    m.close()
    m = mount(fake, "max_events=20", *options)
    assert shown(m) == names(40, 60)
    m.close()
    m = mount(fake, *options)
    assert wait_for(lambda: shown(m) == names(0, 60))
