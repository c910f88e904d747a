"""Extended attributes (-o xattr), and the times, under the tools that people have for them."""
import errno
import json
import os
import re
import time

import pytest

from events import event, new_name, stamp
from servers import run, wait_for

OURS = "user.kevfs."
NAMES = ["type", "reason", "message", "object", "count", "first_seen", "last_seen", "source", "host", "uid", "resource_version", "stale"]


def attributes(path):
    return {n.removeprefix(OURS): os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}


@pytest.fixture
def said(fake):
    """An event that has all; and its mount."""
    fake.create("default", event("full", type="Warning", reason="BackOff", message="back-off é\n\"x\"", count=12, source={"component": "kubelet", "host": "node-3"},
                                 firstTimestamp="2026-11-23T00:00:00Z", lastTimestamp="2026-11-23T00:05:00Z"))
    return fake


def test_what_they_say(said, mount):
    m = mount(said, "xattr")
    e = said.events()["default", "full"]
    want = {"type": b"Warning", "reason": b"BackOff", "message": "back-off é\n\"x\"".encode(), "object": b"pod/web-1", "count": b"12", "first_seen": b"2026-11-23T00:00:00.000000000Z",
            "last_seen": b"2026-11-23T00:05:00.000000000Z", "source": b"kubelet", "host": b"node-3", "uid": e["metadata"]["uid"].encode(), "resource_version": e["metadata"]["resourceVersion"].encode(), "stale": b"0"}
    assert sorted(want) == sorted(NAMES)
    for path in ("default/pods/web-1/events/full", "default/events/full", "default/by-type/Warning/full"):
        assert attributes(m.path(path)) == want


def test_of_every_event(server, mount):
    """They say what the content says, of hostile events too; what has no value is not there."""
    m = mount(server, "xattr")
    looked = 0
    for path, content in m.events().values():
        try:
            have = {n: v.decode("utf-8", "surrogateescape") for n, v in attributes(path).items()}
        except FileNotFoundError:
            continue
        e = json.loads(content)
        if have.get("resource_version") != e["metadata"].get("resourceVersion"):
            continue  # changed meanwhile
        about, source, series = e["involvedObject"], e.get("source") or {}, e.get("series") or {}
        want = {"type": e.get("type"), "reason": e.get("reason"), "message": e.get("message"), "uid": e["metadata"]["uid"], "host": source.get("host"),
                "source": source.get("component") or e.get("reportingComponent"), "count": str(series.get("count") or e.get("count") or 1)}
        for name, value in want.items():
            value = (value or "").encode("utf-8", "surrogatepass")
            if len(value) <= 65536:
                assert have.get(name, "").encode("utf-8", "surrogateescape") == value and (value == b"") == (name not in have), (name, path)
        assert have["object"] == "".join(c.lower() if c.isascii() else c for c in about.get("kind", "")) + "/" + about.get("name", "")
        assert set(have) <= set(NAMES) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", have["last_seen"])
        looked += 1
    assert looked > 1900


def test_getfattr(said, mount):
    m = mount(said, "xattr")
    path = m.path("default/events/full")
    assert run("getfattr", "--absolute-names", "-n", "user.kevfs.reason", path).stdout.decode() == f'# file: {path}\nuser.kevfs.reason="BackOff"\n\n'
    assert run("getfattr", "--only-values", "-n", "user.kevfs.message", path).stdout.decode() == "back-off é\n\"x\""
    dumped = run("getfattr", "-R", "-P", "--absolute-names", "-d", m.dir)
    assert dumped.stdout.count(b"# file: ") == 1 and dumped.stdout.count(b"\nuser.kevfs.") == len(NAMES) and dumped.stderr == b""
    r = run("getfattr", "-n", "user.kevfs.none", path, check=False)
    assert r.returncode == 1 and b"No such attribute" in r.stderr
    # find has no test for them, but everything else that people write
    assert run("sh", "-c", f"getfattr -R -P --absolute-names -n user.kevfs.type {m.dir} 2>/dev/null | grep -c '=\"Warning\"'").stdout == b"1\n"


def test_what_has_none(said, mount):
    m = mount(said, "xattr")
    path = m.path("default/events/full")
    for other in (m.dir, m.path("default"), m.path("default/events"), m.path("default/by-type"), m.path("events.log"), m.path(".kevfs/status")):
        assert os.listxattr(other) == os.listxattr(other, follow_symlinks=False) == [], other
        with pytest.raises(OSError) as e:
            os.getxattr(other, "user.kevfs.type")
        assert e.value.errno == errno.ENODATA
    for name, error in (("user.kevfs.no", errno.ENODATA), ("user.kevfs.", errno.ENODATA), ("user.x", errno.ENOTSUP), ("security.capability", errno.ENOTSUP), ("system.posix_acl_access", errno.ENOTSUP)):
        with pytest.raises(OSError) as e:
            os.getxattr(path, name)
        assert e.value.errno == error, name
    with pytest.raises(OSError) as e:
        os.setxattr(path, "user.kevfs.type", b"Normal")
    assert e.value.errno == errno.EROFS


def test_a_long_value_is_cut(fake, mount):
    """As much as Linux takes, between two characters; all tools can copy it that can copy anything of that size."""
    fake.create("default", event("long", message="x" + "é" * 40000))
    m = mount(fake, "xattr")
    assert attributes(m.path("default/events/long"))["message"].decode() == "x" + "é" * 32767
    assert len(run("getfattr", "--only-values", "-n", "user.kevfs.message", m.path("default/events/long")).stdout) == 65535


def test_they_follow(said, mount):
    """Of a name they are the newest revision's; of an open file, those of what it shows."""
    m = mount(said, "xattr")
    path = m.path("default/events/full")
    with open(path, "rb") as f:
        e = said.events()["default", "full"]
        e["count"] = 13
        said.update("default", e)
        assert wait_for(lambda: os.getxattr(path, "user.kevfs.count") == b"13")
        assert os.getxattr(f.fileno(), "user.kevfs.count") == b"12" and b'"count": 12' in f.read()


def test_stale(said, mount):
    """Whether the server can be heard."""
    m = mount(said, "xattr")
    path = m.path("default/events/full")
    assert wait_for(lambda: os.getxattr(path, "user.kevfs.stale") == b"0")
    said.order("outage", seconds=0)
    assert wait_for(lambda: os.getxattr(path, "user.kevfs.stale") == b"1", 20)
    said.order("recover")
    assert wait_for(lambda: os.getxattr(path, "user.kevfs.stale") == b"0", 45, 0.1)


def test_gone(said, mount):
    """What is retained says since when the server no longer has it."""
    m = mount(said, "xattr", "retain=1h")
    path = m.path("default/events/full")
    assert "gone" not in attributes(path)
    before = stamp()
    said.delete("default", "full")
    assert wait_for(lambda: "gone" in attributes(path))
    assert before[:-1].encode() <= attributes(path)["gone"] <= stamp(time.time() + 1).encode()


def test_copies_keep_them(said, mount, scratch):
    m = mount(said, "xattr")
    want = attributes(m.path("default/events/full"))
    try:
        os.setxattr(scratch, "user.kevfs.test", b"")
    except OSError as e:
        pytest.skip(f"the test's own directory takes no attributes: {e}")
    for how in (["rsync", "-aX", m.dir + "/", f"{scratch}/rsync"], ["cp", "-a", m.dir, f"{scratch}/cp"], ["sh", "-c", f"mkdir {scratch}/tar && tar -C {m.dir} --xattrs -cf - . | tar -C {scratch}/tar --xattrs -xf -"]):
        assert run(*how).stderr == b"", how
    for where in ("rsync", "cp", "tar"):
        assert attributes(scratch / where / "default/pods/web-1/events/full") == want, where
    # Without a change there is nothing to do.
    assert run("rsync", "-aXi", m.dir + "/", f"{scratch}/rsync").stdout == b""


def test_without_the_option(said, mount):
    m = mount(said)
    path = m.path("default/events/full")
    for ask in (lambda: os.getxattr(path, "user.kevfs.type"), lambda: os.listxattr(path)):
        with pytest.raises(OSError) as e:
            ask()
        assert e.value.errno == errno.ENOTSUP
    assert run("ls", "-l", m.path("default/events/")).stderr == b""


def test_times_for_find_and_ls(fake, mount):
    """What kubectl cannot: the last five minutes, and in the order of what happened last."""
    old, now = new_name(), time.time()
    fake.bulk([("create", "events", "default", {**event("old.18ead12a14b3bd3f"), "lastTimestamp": stamp(now - 4000), "metadata": {"name": "old.18ead12a14b3bd3f", "creationTimestamp": stamp(now - 4000)}}),
               ("create", "events", "default", {**event(old), "firstTimestamp": stamp(now - 3000), "lastTimestamp": stamp(now - 2000), "metadata": {"name": old, "creationTimestamp": stamp(now - 3000)}})])
    m = mount(fake)
    repeats = fake.events()["default", "old.18ead12a14b3bd3f"]
    newest = lambda *test: run("find", m.dir, "-type", "f", *test, "-printf", "%f\\n").stdout.decode().split()
    assert newest("-newerct", "-5 min") == []
    repeats["count"], repeats["lastTimestamp"] = 2, stamp()
    fake.update("default", repeats)
    assert wait_for(lambda: newest("-newerct", "-5 min") == ["old.18ead12a14b3bd3f"])
    assert run("ls", "-tc", m.path("default/events/")).stdout.decode().split() == ["old.18ead12a14b3bd3f", old]
    assert newest("-newermt", "2026-11-23") == sorted({old, "old.18ead12a14b3bd3f"}, key=newest("-newermt", "2026-11-23").index)
    assert newest("-newermt", stamp(now - 3600)) == [old]
