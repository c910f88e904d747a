"""Whatever goes wrong between the server and us: the tree is served, and equal again afterwards."""
import json
import os
import time

import pytest

from events import event
from servers import wait_for

WATCH_FAULTS = {
    "410 in the stream": {"action": "error", "code": 410},
    "410 by status": {"action": "status", "code": 410},
    "500 in the stream": {"action": "error", "code": 500},
    "500 behind some lines": {"action": "error", "code": 500, "afterLines": 3},
    "401": {"action": "status", "code": 401},
    "403": {"action": "status", "code": 403},
    "429 with Retry-After": {"action": "status", "code": 429, "retryAfter": 1},
    "503 as text": {"action": "status", "code": 503, "body": "upstream connect error\n"},
    "504": {"action": "status", "code": 504},
    "404": {"action": "status", "code": 404},
    "closes at once": {"action": "empty"},
    "aborted": {"action": "close"},
    "reset": {"action": "reset"},
    "cut in a line": {"action": "cut", "afterLines": 2, "afterBytes": 100},
    "ends in a line": {"action": "end", "afterLines": 2, "afterBytes": 100},
    "ends between lines": {"action": "end", "afterLines": 2},
    "garbage": {"action": "garbage", "afterLines": 1},
    "garbage at once": {"action": "garbage"},
    "slow": {"action": "drip", "chunk": 500, "seconds": 0.002},
    "stalls for a moment": {"action": "stall", "seconds": 1, "afterLines": 1, "afterBytes": 50},
    "a line that is no JSON": {"action": "inject", "body": "}{ nonsense\n", "afterLines": 1},
    "an empty line": {"action": "inject", "body": "\n\r\n\n", "afterLines": 1},
    "an unknown type": {"action": "inject", "body": '{"type":"NOVEL","object":{"kind":"Event","metadata":{"name":"x","namespace":"default"}}}\n', "afterLines": 1},
    "an unknown kind": {"action": "inject", "body": '{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","namespace":"default"}}}\n', "afterLines": 1},
    "no object": {"action": "inject", "body": '{"type":"ADDED"}\n{"type":"MODIFIED","object":null}\n{"type":"DELETED","object":{}}\n[]\n7\n', "afterLines": 1},
    "an ERROR of no kind": {"action": "inject", "body": '{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":599,"message":"\\u001b[2J"}}\n', "afterLines": 1},
    "an ERROR that is no Status": {"action": "inject", "body": '{"type":"ERROR","object":7}\n', "afterLines": 1},
    "wrong content type": {"action": "type", "body": "text/html"},
    "a line without end": {"action": "inject", "body": '{"type":"ADDED","object":{"x":"' + "x" * 3000000, "afterLines": 1},
}

LIST_FAULTS = {
    "410 on a later page": {"action": "status", "code": 410, "page": 2},
    "500": {"action": "status", "code": 500},
    "429 with Retry-After": {"action": "status", "code": 429, "retryAfter": 1},
    "503 as text": {"action": "status", "code": 503, "body": "no\n"},
    "aborted": {"action": "close"},
    "reset": {"action": "reset"},
    "empty": {"action": "empty"},
    "cut": {"action": "cut", "afterBytes": 3000},
    "cut on a later page": {"action": "cut", "afterBytes": 3000, "page": 2},
    "ends early": {"action": "end", "afterBytes": 3000},
    "truncated gzip": {"action": "end", "afterBytes": 3000, "gzip": True},
    "garbage": {"action": "garbage", "afterBytes": 500},
    "garbage in gzip": {"action": "garbage", "afterBytes": 500, "gzip": True},
    "wrong content type": {"action": "type", "body": "text/html"},
    "no resourceVersion": {"action": "rv", "body": ""},
    "opaque resourceVersion": {"action": "rv", "body": "abc"},
    "resourceVersion of the past": {"action": "rv", "body": "1"},
    # Of one page: what a whole list says of itself is believed, and a watch from there is silent until the server is so far.
    "resourceVersion of the future": {"action": "rv", "body": "999999999999", "page": 1},
    "empty object": {"action": "status", "code": 200, "body": "{}"},
    "another list": {"action": "status", "code": 200, "body": '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}'},
    "a Status with 200": {"action": "status", "code": 200, "body": '{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}'},
    "items that are no list": {"action": "status", "code": 200, "body": '{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":{}}'},
}


def change_everything(fake, turn):
    """An addition, an update and a deletion in each namespace."""
    for namespace in ("default", "kube-system"):
        fake.create(namespace, event(f"new-{turn}", namespace))
        fake.update(namespace, event("updated", namespace, count=turn + 10))
        fake.delete(namespace, f"old-{turn}")


@pytest.fixture
def world(fake):
    fake.load(300, namespaces=3)
    for namespace in ("default", "kube-system"):
        fake.bulk([("create", "events", namespace, event(n, namespace)) for n in ["updated"] + [f"old-{i}" for i in range(5)]])
    return fake


def new_watch(fake, known):
    return [w for w in fake.watching() if w["start"] not in known]


@pytest.mark.parametrize("name", WATCH_FAULTS)
def test_watch(world, mount, name):
    """Changes come before, while and after the fault strikes the next watch; in between, the tree is whole."""
    m = mount(world)
    assert wait_for(lambda: world.watching())
    count = len(m.files())
    with world.fault(verb="watch", resource="events", times=2, **WATCH_FAULTS[name]) as fault:
        world.order("end")  # the next watch meets it
        for turn in range(3):
            change_everything(world, turn)
            assert len(m.files()) >= count - 6
            time.sleep(0.1)
        assert wait_for(fault.acted, 25)
        assert wait_for(lambda: len(m.files()) >= count - 6)
        change_everything(world, 3)
    change_everything(world, 4)
    assert m.settle(world, 35) == count


@pytest.mark.parametrize("name", LIST_FAULTS)
def test_relist(world, mount, name):
    """A list that goes wrong is tried again, and no event vanishes meanwhile."""
    world.load(6000, namespaces=3)
    m = mount(world)
    assert wait_for(lambda: world.watching())
    before = len(m.files())
    with world.fault(verb="list", resource="events", times=2, **LIST_FAULTS[name]) as fault, world.fault("status", verb="watch", resource="events", code=410, times=1):
        world.order("end")
        wait_for(fault.acted, 10)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert len(m.files()) == before
    change_everything(world, 0)
    assert m.settle(world, 35) == before


@pytest.mark.parametrize("name", ["aborted", "cut", "truncated gzip", "garbage", "empty", "ends early", "500", "410 on a later page"])
def test_first_list(world, mount, name):
    """The first sync, too, is tried again where that may help; and never is a part taken for the whole."""
    world.load(6000, namespaces=3)
    with world.fault(verb="list", resource="events", times=1, **LIST_FAULTS[name]):
        m = mount(world, "delay_sync")
        assert wait_for(lambda: len(os.listdir(m.path("flood-0/events"))) > 0)
        assert m.settle(world, 30) == len(world.events())


def test_pages_that_expire_every_time(world, mount):
    """A server that compacts faster than it gives pages: the list is streamed, at the first sync and at every later one."""
    world.load(6000, namespaces=3)
    with world.fault("status", verb="list", resource="events", code=410, page=2):
        m = mount(world)
        assert m.settle(world, 30) == len(world.events())
        change_everything(world, 0)
        m.settle(world)
        with world.fault("status", verb="watch", resource="events", code=410, times=1):
            world.order("end")
            change_everything(world, 1)
        assert m.settle(world, 35) == len(world.events())
    assert any("sendInitialEvents=true" in r["url"] for r in world.requests(verb="watch", resource="events"))


def test_compaction(world, mount):
    """A quiet watch falls behind, is refused, and the list tells what was missed; as a diff: what did not change stays as it is."""
    m = mount(world)
    path = m.path("default/pods/web-1/events/updated")
    held = os.open(path, os.O_RDONLY)
    before = os.stat(path)
    with world.fault("close", verb="watch", resource="events"), world.fault("close", verb="list", resource="events"):
        world.order("end")
        time.sleep(0.2)
        world.delete("default", "old-0")
        world.create("default", event("new"))
        world.order("compact")
    m.settle(world, 30)
    after = os.stat(path)
    assert (after.st_ino, after.st_ctime_ns, after.st_mtime_ns) == (before.st_ino, before.st_ctime_ns, before.st_mtime_ns)
    assert os.pread(held, 1 << 20, 0) == open(path, "rb").read()
    os.close(held)


def test_restored_etcd(world, mount):
    """The server comes back with an older state: resourceVersions go back, and get used again."""
    m = mount(world)
    world.order("save")
    for turn in range(2):
        change_everything(world, turn)
    m.settle(world)
    world.order("restore")
    m.settle(world, 60)
    for turn in range(3):
        change_everything(world, turn)
    m.settle(world, 60)


def test_restored_etcd_whose_new_writes_are_ahead_of_us(world, mount):
    """Then list and watch succeed from our resourceVersion, over another history."""
    m = mount(world)
    world.order("save")
    change_everything(world, 0)
    m.settle(world)
    world.order("outage", seconds=0)
    world.order("restore")
    world.order("outage", seconds=0)  # restoring opens the port again
    world.bulk([("create", "events", "kube-public", event(f"other-{i}", "kube-public")) for i in range(50)])
    world.order("recover")
    m.settle(world, 30)


def test_same_resource_version_with_another_body(fake, mount):
    """After a restore: uid and resourceVersion agree, the text does not."""
    body = '{"metadata":{"name":"e","uid":"u","resourceVersion":"77"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"message":"%s"}'
    fake.bulk([("create", "events", "default", (body % "first").encode())])
    m = mount(fake)
    fake.bulk([("update", "events", "default", (body % "other").encode())])
    assert m.settle(fake) == 1


def test_opaque_and_descending_resource_versions(fake, mount):
    """An object's resourceVersion is compared, if at all, with care."""
    body = '{"metadata":{"name":"e","uid":"u","resourceVersion":%s},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"count":%d}'
    fake.bulk([("create", "events", "default", (body % ('"100"', 0)).encode())])
    m = mount(fake)
    for i, rv in enumerate(['"99"', '"abc"', '""', '"0100"', '"18446744073709551616000"', '"9"', "7", "null"]):
        fake.bulk([("update", "events", "default", (body % (rv, i + 1)).encode())])
        assert m.settle(fake) == 1


def test_duplicate_uids(fake, mount):
    """A uid that two events claim, and one that changes its name or namespace."""
    body = '{"metadata":{"name":"%s","uid":"same"},"involvedObject":{"kind":"Pod","namespace":"%s","name":"p"}}'
    fake.bulk([("create", "events", ns, (body % (name, ns)).encode()) for ns, name in (("default", "a"), ("default", "b"), ("kube-system", "a"))])
    m = mount(fake)
    assert m.settle(fake) == 3
    assert len({os.stat(p).st_ino for p in m.files()}) == 3
    fake.delete("default", "a")
    fake.bulk([("create", "events", "kube-public", (body % ("a", "kube-public")).encode())])
    assert m.settle(fake) == 3


def test_bookmarks(world, mount):
    """They are no events. They bring a watch of pods further; one of events begins again where its last line comes once more."""
    m = mount(world)
    assert wait_for(world.watching)
    count = len(m.files())
    for _ in range(3):
        world.order("bookmark")
    last = int(world.create("default", event("behind"))["metadata"]["resourceVersion"])
    assert m.settle(world) == count + 1
    world.namespace("another")  # the server goes on
    world.order("bookmark")
    time.sleep(0.3)
    rv = world.order("stats", "GET")["rv"]
    known = {w["start"] for w in world.watching() + world.watching("pods")}
    world.order("end")
    for resource, begins in (("events", last - 1), ("pods", rv)):
        fresh = wait_for(lambda r=resource: [w for w in world.watching(r) if w["start"] not in known])
        assert fresh[-1]["url"].endswith(f"resourceVersion={begins}")


def test_a_clean_end_is_followed_by_a_watch_not_by_a_list(world, mount):
    mount(world)
    assert wait_for(lambda: world.watching())
    time.sleep(2.5)  # a stream that closes sooner, and empty, is suspicious
    known = {w["start"] for w in world.watching()}
    lists = len(world.requests(verb="list", resource="events"))
    world.order("end")
    assert wait_for(lambda: new_watch(world, known))
    assert len(world.requests(verb="list", resource="events")) == lists


def test_no_hammering(world, mount):
    """A server that refuses every watch at once is asked less and less."""
    mount(world)
    assert wait_for(lambda: world.watching())
    world.order("requests", "DELETE")
    with world.fault("empty", verb="watch", resource="events"):
        world.order("end")
        time.sleep(6)
    asked = len(world.requests(resource="events"))
    assert 1 <= asked <= 30, asked


def test_retry_after_is_honoured(world, mount):
    mount(world)
    assert wait_for(lambda: world.watching())
    world.order("requests", "DELETE")
    with world.fault("status", verb="watch", resource="events", code=429, retryAfter=3, times=1):
        world.order("end")
        assert wait_for(lambda: world.requests(verb="watch", resource="events", status=429))
        assert wait_for(lambda: new_watch(world, []), 15)
    refused = world.requests(verb="watch", resource="events", status=429)[-1]
    later = [r for r in world.requests(resource="events") if r["start"] > refused["start"]]
    assert later[0]["start"] - refused["start"] >= 2.9 and later[0]["verb"] == "watch"  # no relist


@pytest.mark.parametrize("resource", ["pods", "namespaces"])
def test_forbidden_pods_or_namespaces(world, mount, resource):
    """Then those that events mention are shown."""
    world.create("default", event("about", about="mentioned"))
    world.pod("kube-public", "silent")
    with world.fault("status", resource=resource, code=403):
        m = mount(world)
        assert m.settle(world) > 300
        assert os.path.isdir(m.path("default/pods/mentioned/events"))
        assert os.path.isdir(m.path("kube-public/pods/silent")) == (resource == "namespaces")


def test_server_without_watchlist(start_fake, mount):
    fake = start_fake("-no-watchlist", "-events", "300")
    m = mount(fake)
    assert m.settle(fake) == 300
    fake.create("default", event())
    assert m.settle(fake) == 301


def test_expiry_in_bursts(world, mount):
    """Leases are shared: thousands vanish at once."""
    world.load(3000, namespaces=3)
    m = mount(world)
    gone = [k for k in world.events() if k[0] == "flood-1"]
    world.bulk([("delete", "events", ns, name) for ns, name in gone])
    m.settle(world, 20)
    assert m.members("flood-1") == [] and len(gone) > 500


def test_what_a_server_says_reaches_no_terminal_raw(world, mount):
    """Log lines escape what the server chose."""
    m = mount(world, "log_level=debug")
    evil = "\x1b]0;owned\x07\x9b31m\n\rfake: line"
    with world.fault("status", resource="events", code=500, body=json.dumps({"kind": "Status", "message": evil, "code": 500})):
        world.order("end")
        time.sleep(1)
    said = m.log.read_bytes()
    assert b"\x1b" not in said and b"\x07" not in said and b"\nfake: line" not in said and b"\r" not in said


def test_an_object_that_is_too_large(fake, mount):
    """Over 16 MiB it is left out and counted, whether it comes in a list or in a watch; all else is shown."""
    huge = b'{"metadata":{"name":"huge"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"message":"' + b"x" * (16 << 20) + b'"}'
    fake.bulk([("create", "events", "default", huge)])
    fake.create("default", event("small"))
    m = mount(fake)
    assert [os.path.basename(f) for f in m.files()] == [b"small"] and left_out(m) == 1
    fake.bulk([("update", "events", "default", huge)])
    fake.create("default", event("later"))
    assert wait_for(lambda: {os.path.basename(f) for f in m.files()} == {b"small", b"later"}, 30)
    assert left_out(m) > 1 and "left out" in m.said()
    fake.delete("default", "huge")
    m.settle(fake, 30)


def left_out(m):
    """Objects that the server sent and that are not shown, as the metrics count them."""
    with open(m.path(".kevfs/metrics"), encoding="utf-8") as f:
        return sum(float(line.split()[-1]) for line in f if line.startswith("kevfs_objects_skipped_total"))


def test_one_name_twice_in_a_list(fake, mount):
    """As no server says it: the last one counts."""
    one = '{"metadata":{"namespace":"default","name":"twice","uid":"u%d","resourceVersion":"%d"},"involvedObject":{"kind":"Pod","namespace":"default","name":"p"},"count":%d}'
    items = ",".join([one % (1, 7, 1), one % (2, 9, 2), one % (1, 8, 3)])
    body = '{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":[' + items + "]}"
    with fake.fault("status", verb="list", resource="events", code=200, body=body, times=1):
        m = mount(fake)
        [path] = m.files()
        with open(path, "rb") as f:
            assert json.load(f)["count"] == 3


def test_a_deletion_of_what_is_not_there(world, mount):
    """And one of another event of that name: what is meant is the name."""
    m = mount(world)
    assert wait_for(world.watching)
    count = len(m.files())
    gone = "".join(json.dumps({"type": "DELETED", "object": {"kind": "Event", "apiVersion": "v1", "metadata": {"namespace": ns, "name": name, "uid": "other", "resourceVersion": "999999"}}}) + "\n"
                   for ns, name in (("nowhere", "never"), ("default", "never"), ("default", "old-0")))
    with world.fault("inject", verb="watch", resource="events", body=gone, afterLines=1):
        world.order("end")
        world.create("default", event("new"))
        assert wait_for(lambda: len(m.files()) == count)
