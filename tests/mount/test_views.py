"""by-type, by-reason and by-node: the events of a namespace in groups, under real tools."""
import json
import os
import threading
import time

import pytest

from events import event, new_name
from names import escape, fits
from servers import run, wait_for

VIEWS = {"by-type": lambda e: e.get("type", ""), "by-reason": lambda e: e.get("reason", ""), "by-node": lambda e: node_of(e)}


def node_of(e):
    """Where an event comes from, or what it is about; None: no node's."""
    if e.get("source", {}).get("host"):
        return e["source"]["host"]
    if e["involvedObject"].get("kind") == "Node":
        return e["involvedObject"].get("name") or None
    if (e.get("source", {}).get("component") or e.get("reportingComponent")) == "kubelet":
        return e.get("reportingInstance") or None
    return None


def grouped(events, key):
    """{group: {names}} of {name: event}."""
    groups = {}
    for name, e in events.items():
        if key(e) is not None:
            groups.setdefault(key(e), set()).add(name)
    return groups


def listed(directory):
    """{group: {names}} as it is listed."""
    return {g: set(os.listdir(os.path.join(directory, g))) for g in os.listdir(directory)}


def from_node(name, host, **more):
    return event(name, source={"component": "tests", "host": host}, **more)


@pytest.fixture
def busy(fake):
    """Three nodes, two types, four reasons; one event in five is of no node."""
    fake.bulk([("create", "events", "default", from_node(f"e{i:03}", f"node-{i % 3}" if i % 5 else "", type=("Normal", "Warning")[i % 4 == 0], reason=("BackOff", "Pulled", "Started", "Killing")[i % 4],
                                                          about=f"web-{i % 7}", message=f"said {i}")) for i in range(200)])
    return fake


def test_groups_are_what_the_events_say(server, mount):
    m = mount(server)
    want = {n: e for (ns, n), e in server.events().items() if ns == "flood-1"}
    assert len(want) > 100
    for view, key in VIEWS.items():
        assert os.readlink(m.path("flood-1", view)) == f"../.kevfs/namespaces/flood-1/{view}"
        assert listed(m.path("flood-1", view)) == grouped(want, key), view
    assert len(os.listdir(m.path("flood-1/by-reason"))) > 1


def test_files_are_the_same_everywhere(busy, mount):
    m = mount(busy)
    for view, key in VIEWS.items():
        for name, e in ((n, e) for (ns, n), e in busy.events().items() if ns == "default"):
            if key(e) is None:
                continue
            flat, here = m.path("default/events", name), m.path("default", view, key(e), name)
            assert os.lstat(here) == os.lstat(flat) and not os.path.islink(here)
            assert os.path.samefile(here, m.path("default/pods", e["involvedObject"]["name"], "events", name))
            with open(here, "rb") as a, open(flat, "rb") as b:
                assert a.read() == b.read()


def test_real_tools(busy, mount):
    """What people type, below a link that they name."""
    m = mount(busy)
    warnings = {n for (_, n), e in busy.events().items() if e["type"] == "Warning"}
    at = m.path("default/by-type/Warning/")
    assert {os.path.basename(p) for p in run("grep", "-rlE", '"message": "said [0-9]+"', at).stdout.decode().splitlines()} == warnings
    said = run("ls", "-ltc", at).stdout.decode().splitlines()[1:]
    assert {line.split()[-1] for line in said} == warnings and all(line.startswith("-r--r--r-- 1 ") for line in said)
    ctimes = [os.stat(at + line.split()[-1]).st_ctime_ns for line in said]
    assert ctimes == sorted(ctimes, reverse=True) and len(ctimes) == 50
    total = run("sh", "-c", f"cd {at} && wc -c *").stdout.decode().splitlines()[-1]
    assert int(total.split()[0]) == sum(os.stat(at + n).st_size for n in warnings)
    assert int(run("sh", "-c", f"ls {m.path('default/by-node/node-1')} | wc -l").stdout) == sum(node_of(e) == "node-1" for e in busy.events().values())
    # find believes an nlink of 2 and more; it looks into all groups.
    found = run("find", "-L", m.path("default/by-reason"), "-type", "f", "-printf", "%P\\n")
    assert set(found.stdout.decode().split()) == {f"{e['reason']}/{n}" for (_, n), e in busy.events().items()} and found.stderr == b""
    assert set(run("find", m.path("default/by-reason/"), "-mindepth", "1", "-type", "d", "-printf", "%n %f\\n").stdout.decode().splitlines()) == {f"2 {r}" for r in ("BackOff", "Pulled", "Started", "Killing")}
    assert run("stat", "-L", "-c", "%h %F", m.path("default/by-reason")).stdout == b"1 directory\n"
    assert run("du", "-sL", m.path("default/by-reason")).stderr == b""


def test_backups_of_a_view(busy, mount, scratch):
    m = mount(busy)
    run("rsync", "-a", m.path("default/by-node/"), scratch / "nodes")
    run("diff", "-r", m.path("default/by-node/"), scratch / "nodes")
    assert run("rsync", "-ai", "--delete", m.path("default/by-node/"), scratch / "nodes").stdout == b""
    run("tar", "-C", m.path("default/by-type"), "-cf", scratch / "types.tar", ".")
    assert sum(line.startswith(b"-") for line in run("tar", "-tvf", scratch / "types.tar").stdout.splitlines()) == 200


def test_events_move(busy, mount):
    """With a revision from one group into another; groups come and go."""
    m = mount(busy)
    sent = from_node("moving", "node-9", type="Warning", reason="Odd")
    places = [m.path("default/by-type/Warning/moving"), m.path("default/by-reason/Odd"), m.path("default/by-node/node-9/moving")]
    assert not any(map(os.path.exists, places))  # the kernel remembers that
    for view in VIEWS:
        os.listdir(m.path("default", view))
    busy.create("default", sent)
    assert wait_for(lambda: all(map(os.path.exists, places)))
    assert "Odd" in os.listdir(m.path("default/by-reason")) and os.listdir(m.path("default/by-reason/Odd")) == ["moving"]
    here = os.open(m.path("default/by-reason/Odd"), os.O_RDONLY)
    sent.update(type="Normal", reason="Even", source={"component": "tests", "host": ""}, message="moved")
    busy.update("default", sent)
    assert wait_for(lambda: os.path.exists(m.path("default/by-reason/Even/moving")) and not any(map(os.path.exists, places)))
    assert b"moved" in open(m.path("default/by-type/Normal/moving"), "rb").read()
    assert "Odd" not in os.listdir(m.path("default/by-reason")) and "node-9" not in os.listdir(m.path("default/by-node"))
    # Who stands in it sees that it is empty, and the event again that comes back.
    assert os.listdir(here) == []
    sent["reason"] = "Odd"
    busy.update("default", sent)
    assert wait_for(lambda: os.listdir(here) == ["moving"])
    assert os.path.samestat(os.fstat(here), os.stat(m.path("default/by-reason/Odd")))
    os.close(here)
    busy.delete("default", "moving")
    assert wait_for(lambda: not os.path.exists(m.path("default/by-reason/Odd")))


def test_moves_while_listing(busy, mount):
    """What does not move is listed exactly once, whatever else does; in the end every group is what the events say."""
    m = mount(busy)
    stay = {n for (_, n), e in busy.events().items() if e["reason"] == "BackOff"}
    stop, wrong, looks = threading.Event(), [], [0]

    def look():
        while not stop.is_set():
            # What moves away and back meanwhile may be met twice.
            names = os.listdir(m.path("default/by-reason/BackOff"))
            if sorted(n for n in names if n in stay) != sorted(stay):
                wrong.append(names)
            for view in VIEWS:
                run("ls", "-lR", m.path("default", view) + "/", check=False)
            looks[0] += 1
    threads = [threading.Thread(target=look) for _ in range(2)]
    for t in threads:
        t.start()
    end, i = time.monotonic() + 4, 0
    try:
        while time.monotonic() < end:
            busy.bulk([("update" if i else "create", "events", "default", from_node(f"m{k}", f"node-{(i + k) % 4}", type=("Normal", "Warning")[(i + k) % 2], reason=("BackOff", "Pulled", "Rare")[(i + k) % 3])) for k in range(20)])
            i += 1
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert wrong == [] and looks[0] > 3 and i > 10
    want = {n: e for (ns, n), e in busy.events().items() if ns == "default"}
    for view, key in VIEWS.items():
        assert wait_for(lambda v=view, k=key: listed(m.path("default", v)) == grouped(want, k)), view
    m.settle(busy)


HOSTILE = ["", ".", "..", "/", "../../../etc", "a/b", "%", "%2E", "line1\nline2", "\x00", "\x1b[2J", "\u0085", "\u202egnp", "events", "by-type", ".kevfs", "*", "-rf", " ", "x" * 255, "x" * 256, "\u00e9" * 200]


def test_hostile_groups(fake, mount):
    """No reason, type or host leaves its directory, hides, or meets another."""
    fake.bulk([("create", "events", "default", from_node(f"h{i}", text, type=text, reason=text)) for i, text in enumerate(HOSTILE)])
    m = mount(fake)
    for view in VIEWS:
        directory = os.fsencode(m.path("default", view))
        want = [t for t in HOSTILE if t or view != "by-node"]
        assert len(os.listdir(directory)) == len(want)
        for i, text in enumerate(HOSTILE):
            if text not in want:
                continue
            [group] = [g for g in os.listdir(directory) if fits(g, escape(text)) and os.path.exists(os.path.join(directory, g, b"h%d" % i))]
            assert os.listdir(os.path.join(directory, group)) == [b"h%d" % i]
    assert json.load(open(m.path("default/by-reason/..%2F..%2F..%2Fetc/h4"), encoding="utf-8"))["reason"] == HOSTILE[4]


def test_they_cost_nothing_before_they_are_used(fake, mount):
    """ls --color looks every link's target up, and reads none."""
    def memory():
        with open(f"/proc/{m.pid()}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))
    fake.load(20000, namespaces=1, pods=50)
    m = mount(fake)
    run("ls", "-l", m.path("flood-0"))
    before = memory()
    run("ls", "-l", "--color=always", m.path("flood-0"))
    looked = memory()
    assert len(os.listdir(m.path("flood-0/events"))) == 20000
    run("ls", "-f", m.path("flood-0/by-reason"), m.path("flood-0/by-node"), m.path("flood-0/by-type"))
    used = memory()
    if any(kind in os.environ.get("KEVFS_BIN", "") for kind in ("asan", "tsan")) or m.session.wrapper:
        return  # they use memory as they like
    assert looked - before < 300, (before, looked)
    assert 1000 < used - looked < 6000, (looked, used)


def test_a_namespace_that_comes_and_goes(fake, mount):
    m = mount(fake)
    name = new_name("passing").replace(".", "-")
    assert not os.path.exists(m.path(name, "by-type"))
    fake.namespace(name)
    assert wait_for(lambda: os.path.isdir(m.path(name, "by-type")))
    assert os.listdir(m.path(name, "by-type")) == os.listdir(m.path(name, "by-node")) == []
    fake.create(name, event("one", name, type="Warning"))
    assert wait_for(lambda: listed(m.path(name, "by-type")) == {"Warning": {"one"}})
    fake.delete_namespace(name)
    assert wait_for(lambda: not os.path.exists(m.path(name, "by-type")) and not os.path.exists(m.path(f".kevfs/namespaces/{name}/by-type")))
