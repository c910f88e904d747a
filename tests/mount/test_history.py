"""-o retain: what the server no longer has stays."""
import json
import os
import time

from events import event
from servers import wait_for


def names(m, namespace="default"):
    try:
        return sorted(os.listdir(m.path(namespace, "events")))
    except FileNotFoundError:
        return []


def test_what_is_deleted_stays_and_expires(server, mount):
    """By a watch; its object's directory stays with it; a new revision takes its place; and without an open watch nothing is let go
    too late."""
    home = server.namespace("kept")
    for name in ("one", "two", "three"):
        server.create(home, event(name, home))
    m = mount(server, "retain=4s", f"namespace={home}")
    path = m.path(home, "pods/web-1/events/one")
    before, content = os.stat(path), open(path, "rb").read()
    server.delete(home, "one")
    deleted = time.monotonic()
    server.delete(home, "two")
    server.create(home, event("four", home))
    assert wait_for(lambda: "four" in names(m, home))
    assert names(m, home) == ["four", "one", "three", "two"]
    after = os.stat(path)
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_ctime_ns, before.st_size)
    assert open(path, "rb").read() == content
    server.create(home, event("two", home, message="anew"))
    assert wait_for(lambda: json.loads(open(m.path(home, "events/two"), "rb").read())["message"] == "anew")
    assert wait_for(lambda: "one" not in names(m, home), 15)
    assert 3.5 < time.monotonic() - deleted < 8
    time.sleep(max(0.0, deleted + 6 - time.monotonic()))
    assert names(m, home) == ["four", "three", "two"]


def test_what_a_relist_misses_stays(fake, mount):
    """The watch was cut, its history is compacted, and what was deleted meanwhile is missing in the next list."""
    fake.load(300, namespaces=3, makePods=False)
    fake_events = fake.events()
    fake.create("default", event("one"))
    m = mount(fake, "retain=1h")
    count = len(m.files())
    # Nobody hears of it.
    fake.order("outage", seconds=0)
    fake.bulk([("delete", "events", *key) for key in list(fake_events)[::2] + [("default", "one")]])
    fake.order("compact")
    fake.order("recover")
    assert len(fake.events()) < count - 100
    fake.create("default", event("two"))
    assert wait_for(lambda: "two" in names(m), 20)
    assert names(m) == ["one", "two"] and len(m.files()) == count + 1


def test_limits_of_number_and_size(fake, mount):
    fake.bulk([("create", "events", "default", event(f"e{i:02}")) for i in range(20)])
    m = mount(fake, "retain=1h,retain=5,retain=100M")
    fake.bulk([("delete", "events", "default", f"e{i:02}") for i in range(10)])
    assert wait_for(lambda: len(names(m)) == 15)
    assert names(m) == [f"e{i:02}" for i in range(5, 20)]


def test_recording(fake, mount, scratch):
    """What a recording deletes is kept."""
    one, two = fake.create("default", event("one")), fake.create("default", event("two"))
    (scratch / "recording").write_text("".join(json.dumps({"type": t, "object": o}) + "\n" for t, o in (("ADDED", one), ("ADDED", two), ("DELETED", one))))
    source = f"file:{scratch}/recording"
    assert names(mount(None, source=source)) == ["two"]
    assert names(mount(None, "retain=1h", source=source)) == ["one", "two"]
