"""What stat(2) says."""
import calendar
import json
import os
import re
import stat
import time

import pytest

from events import event, new_name
from servers import run, wait_for

FIRST_COMMIT, DAY = 0x1374F336A28D0000, 86400 * 10**9
HEX = re.compile(r"[1-7][0-9a-f]{15}\Z")


def nanoseconds(text):
    """An RFC 3339 time; None where it counts as unset (kubernetes.md section 2)."""
    m = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|([+-])(\d\d):(\d\d))", text or "")
    if not m or not 1970 <= int(m[1]) <= 2261:
        return None
    offset = 0 if m[8] == "Z" else (int(m[10]) * 3600 + int(m[11]) * 60) * (1 if m[9] == "+" else -1)
    return (calendar.timegm(tuple(int(m[i]) for i in range(1, 7))) - offset) * 10**9 + int((m[7] or "0").ljust(9, "0"))


def true_mtime(e):
    """The time in the name, else what it falls back to."""
    created = nanoseconds(e["metadata"].get("creationTimestamp"))
    prefix, _, suffix = e["metadata"]["name"].rpartition(".")
    if prefix and HEX.match(suffix) and FIRST_COMMIT <= int(suffix, 16) <= (created + DAY if created is not None else 1 << 63):
        return int(suffix, 16)
    for t in (e.get("eventTime"), e.get("firstTimestamp"), e.get("lastTimestamp"), (e.get("series") or {}).get("lastObservedTime")):
        if nanoseconds(t) is not None:
            return nanoseconds(t)
    return created or 0


def last_write(e):
    """The server's last write: latest managedFields time, else last seen; but not before the creation, which the server stamps last."""
    created = nanoseconds(e["metadata"].get("creationTimestamp"))
    managed = [nanoseconds(m.get("time")) for m in e["metadata"].get("managedFields") or []]
    managed = [t for t in managed if t is not None]
    if managed:
        return max(*managed, created or 0)
    for t in ((e.get("series") or {}).get("lastObservedTime"), e.get("lastTimestamp"), e.get("eventTime")):
        if nanoseconds(t) is not None:
            return max(nanoseconds(t), created or 0)
    return created


def test_of_every_file(server, mount):
    begun = time.time_ns()
    m = mount(server)
    listed = server.events()
    inodes, ctimes, looked = {}, {}, 0
    for (namespace, name), (path, content) in m.events().items():
        try:
            st = os.lstat(path)
        except FileNotFoundError:
            continue
        e, raw = json.loads(content), listed.get((namespace, name))
        if raw is None or raw["metadata"]["resourceVersion"] != e["metadata"]["resourceVersion"] or st.st_size != len(content):
            with open(path, "rb") as f:  # changed meanwhile: then a look at one revision
                content, st = f.read(), os.fstat(f.fileno())
            e, raw = json.loads(content), None
        assert st.st_mtime_ns == true_mtime(e) and st.st_atime_ns == st.st_mtime_ns, name
        assert st.st_size == len(content) and st.st_blocks == -(-len(content) // 512), name
        assert stat.S_IMODE(st.st_mode) == 0o444 and st.st_nlink == 1 and (st.st_uid, st.st_gid) == (os.getuid(), os.getgid()), name
        assert st.st_ino != 0 and inodes.setdefault(st.st_ino, name) == name
        assert ctimes.setdefault(st.st_ctime_ns, name) == name, "two revisions share a ctime"
        assert nanoseconds(e["metadata"]["creationTimestamp"]) <= st.st_ctime_ns <= time.time_ns() + 10**9, name
        if raw and st.st_ctime_ns < begun:  # else it came live, while real components wrote: its ctime is its arrival
            assert st.st_ctime_ns // 10**9 == last_write(raw) // 10**9, name
            looked += 1
    assert looked >= 1900


def test_vectors(fake, mount, vectors):
    """Every name of event-names.tsv, with the creationTimestamp that its header says."""
    used = [v for v in vectors if v[0]]
    fake.bulk([("create", "events", "default", {"metadata": {"name": n, "creationTimestamp": "2026-11-23T00:00:00Z"}, "involvedObject": {"kind": "Pod", "name": "v"}, "lastTimestamp": "2020-02-02T02:02:02Z"}) for n, _, _ in used])
    m = mount(fake)
    folder = m.path("default/pods/v/events")
    assert len(os.listdir(folder)) == len(used) >= 28
    for name, ns, text in used:
        said = run("stat", "-c", "%y", f"{folder}/{name}", env={**os.environ, "TZ": "UTC"}).stdout.decode().strip()
        want = text.replace("T", " ").replace("Z", " +0000") if ns is not None else "2020-02-02 02:02:02.000000000 +0000"
        assert said == want, name
        assert os.stat(f"{folder}/{name}").st_mtime_ns == (ns if ns is not None else 1580608922 * 10**9)


TIMES = [
    ({"eventTime": "2026-01-02T03:04:05.678901Z", "firstTimestamp": "2025-01-01T00:00:00Z"}, "2026-01-02T03:04:05.678901Z"),
    ({"eventTime": None, "firstTimestamp": "2025-01-01T00:00:00Z", "lastTimestamp": "2025-02-01T00:00:00Z"}, "2025-01-01T00:00:00Z"),
    ({"firstTimestamp": None, "lastTimestamp": "2025-02-01T00:00:00Z", "series": {"count": 2, "lastObservedTime": "2025-03-01T00:00:00.000001Z"}}, "2025-02-01T00:00:00Z"),
    ({"series": {"count": 2, "lastObservedTime": "2025-03-01T00:00:00.000001Z"}}, "2025-03-01T00:00:00.000001Z"),
    ({}, "2026-11-22T22:00:00Z"),
    ({"firstTimestamp": "0000-01-01T00:00:00Z", "lastTimestamp": "9999-12-31T23:59:59Z"}, "2026-11-22T22:00:00Z"),
    ({"firstTimestamp": "2025-01-01T00:00:00+05:30"}, "2024-12-31T18:30:00Z"),
    ({"firstTimestamp": "rubbish", "lastTimestamp": 7}, "2026-11-22T22:00:00Z"),
    ({"eventTime": "1970-01-01T00:00:00Z"}, "1970-01-01T00:00:00Z"),
]


def test_fallbacks_of_mtime(fake, mount):
    fake.bulk([("create", "events", "default", {"metadata": {"name": f"t{i}", "creationTimestamp": "2026-11-22T22:00:00Z"}, "involvedObject": {"kind": "Pod", "name": "t"}, **more}) for i, (more, _) in enumerate(TIMES)])
    m = mount(fake)
    for i, (_, want) in enumerate(TIMES):
        assert os.stat(m.path(f"default/pods/t/events/t{i}")).st_mtime_ns == nanoseconds(want), TIMES[i]


def last_seen(e):
    """What -o mtime=last says: the second in which it happened last, and below it which revision it is."""
    times = ((e.get("series") or {}).get("lastObservedTime"), e.get("lastTimestamp"), e.get("eventTime"), e.get("firstTimestamp"), e["metadata"].get("creationTimestamp"))
    seen = next((t for t in map(nanoseconds, times) if t is not None), 0)
    return seen // 10**9 * 10**9 + int(e["metadata"]["resourceVersion"]) % 10**9


def test_mtime_last(server, mount):
    m, looked = mount(server, "mtime=last"), 0
    for path in m.files():
        try:
            with open(path, "rb") as f:
                content, st = f.read(), os.fstat(f.fileno())
        except FileNotFoundError:
            continue
        assert st.st_mtime_ns == st.st_atime_ns == last_seen(json.loads(content)), path
        looked += 1
    assert looked >= 1900


def test_an_update_has_another_mtime_with_mtime_last(fake, mount):
    """Also within a second, and where the update does not say that it was seen again."""
    sent = event(new_name(), firstTimestamp="2026-11-22T22:00:00Z", lastTimestamp="2026-11-22T22:00:00Z")
    fake.create("default", sent)
    m = mount(fake, "mtime=last")
    path, seen = m.path("default/pods/web-1/events", sent["metadata"]["name"]), []
    for count in (2, 3, 4):
        seen.append(os.stat(path).st_mtime_ns)
        sent["count"] = count
        fake.update("default", sent)
        assert wait_for(lambda: os.stat(path).st_mtime_ns > seen[-1])
    assert len({t // 10**9 for t in seen}) == 1


def test_ctime_is_never_in_the_future(fake, mount):
    fake.bulk([("create", "events", "default", {"metadata": {"name": "f", "creationTimestamp": "2200-01-01T00:00:00Z"}, "involvedObject": {"kind": "Pod", "name": "f"}, "lastTimestamp": "2100-01-01T00:00:00Z"})])
    m = mount(fake)
    assert os.stat(m.path("default/pods/f/events/f")).st_ctime_ns <= time.time_ns()


def everything(m):
    """{path below the mountpoint: inode} of all that a walk meets, the links' targets as well."""
    found = {".": os.lstat(m.dir).st_ino}
    for top in (m.dir, m.path(".kevfs")):
        for d, dirs, files in os.walk(top):
            for n in dirs + files:
                p = os.path.join(d, n)
                if os.path.islink(p) or not n.startswith("events."):  # a log is another one in each mount
                    found[os.path.relpath(p, m.dir)] = os.lstat(p).st_ino
    return found


def test_inodes_are_the_same_after_a_remount(server, mount):
    m = mount(server)
    first = everything(m)
    m.close()
    second = everything(mount(server))
    both = first.keys() & second.keys()
    assert len(both) >= 4000 and len(both) >= 0.98 * len(first)
    assert {p for p in both if first[p] != second[p]} == set()
    assert 0 not in first.values()


def test_inodes_are_unique(fake, mount):
    """Only the names of an event share one: under its object, among all of the namespace, and in the views."""
    fake.load(1000, makePods=True)
    found = everything(mount(fake))
    named = {}
    for path, inode in found.items():
        named.setdefault(inode, []).append(path)
    for paths in named.values():
        assert len(paths) == 1 or len({os.path.basename(p) for p in paths}) == 1 and sum(not p.startswith(".kevfs/") for p in paths) == 1, paths
        assert len(paths) == 1 or sorted({p.split("/")[3] for p in paths if p.startswith(".kevfs/")} - {"by-node"}) == ["by-reason", "by-type", "events"], paths


def test_an_update_has_another_ctime_and_the_same_inode(server, mount):
    home = server.namespace("attributes")
    sent = event(new_name(), home)
    server.create(home, sent)
    m = mount(server)
    path = m.path(home, "pods/web-1/events", sent["metadata"]["name"])
    before, seen = os.stat(path), []
    for count in (2, 3, 4):
        sent["count"] = count
        rv = server.update(home, sent)["metadata"]["resourceVersion"]
        start = time.time_ns()
        assert wait_for(lambda: f'"{rv}"'.encode() in open(path, "rb").read())
        st = os.stat(path)
        seen.append(st.st_ctime_ns)
        assert st.st_ino == before.st_ino and st.st_mtime_ns == before.st_mtime_ns and abs(st.st_ctime_ns - start) < 5 * 10**9
    assert before.st_ctime_ns < seen[0] < seen[1] < seen[2]
    server.delete(home, sent["metadata"]["name"])


def test_a_new_event_of_an_old_name_is_another_inode(fake, mount):
    fake.create("default", event("again"))
    m = mount(fake)
    path = m.path("default/pods/web-1/events/again")
    first = os.stat(path).st_ino
    fake.delete("default", "again")
    fake.create("default", event("again"))
    assert wait_for(lambda: os.path.exists(path) and os.stat(path).st_ino != first)


def test_directories(server, mount):
    m = mount(server)
    for d, dirs, files in os.walk(m.dir):
        st = os.lstat(d)
        real_dirs = [n for n in dirs if not os.path.islink(os.path.join(d, n))]
        assert stat.S_IMODE(st.st_mode) == 0o555 and (st.st_uid, st.st_gid) == (os.getuid(), os.getgid()), d
        assert st.st_nlink == 2 + len(real_dirs), (d, st.st_nlink, len(real_dirs))
        assert st.st_mtime_ns <= time.time_ns() + 10**9
        for n in dirs + files:
            if os.path.islink(os.path.join(d, n)):
                link = os.lstat(os.path.join(d, n))
                assert link.st_size == len(os.readlink(os.path.join(d, n))) and stat.S_IMODE(link.st_mode) == 0o777 and link.st_nlink == 1


def test_ls_t_begins_with_the_noisy_ones(server, mount):
    home = server.namespace("noisy")
    for pod in ("a", "b", "c"):
        server.create(home, event(new_name(pod), home, about=pod))
    m = mount(server)
    folder = m.path(home, "pods")
    for pod in ("b", "a", "c", "b"):
        before = os.stat(f"{folder}/{pod}").st_mtime_ns
        server.create(home, event(new_name(pod), home, about=pod))
        assert wait_for(lambda: os.stat(f"{folder}/{pod}").st_mtime_ns > before)
        assert run("ls", "-t", folder).stdout.split()[0] == pod.encode()
        assert abs(os.stat(f"{folder}/{pod}").st_mtime_ns - time.time_ns()) < 5 * 10**9
    assert run("ls", "-t", folder).stdout.split() == [b"b", b"c", b"a"]


def test_mtime_of_an_object_directory_at_the_first_sync(fake, mount):
    """The newest revision's arrival, as its ctime is."""
    fake.load(200, namespaces=1, pods=3)
    m = mount(fake)
    for pod in os.listdir(m.path("flood-0/pods")):
        folder = m.path("flood-0/pods", pod)
        assert os.stat(folder).st_mtime_ns == max(os.stat(f"{folder}/events/{n}").st_ctime_ns for n in os.listdir(f"{folder}/events"))


def test_a_directory_changes_its_mtime_with_its_members(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    folders = [m.path("default/pods/web-1/events"), m.path("default/events"), m.path("default/pods")]
    for change, seen in ((lambda: fake.create("default", event("two")), [True, True, False]), (lambda: fake.delete("default", "two"), [True, True, False]),
                         (lambda: fake.create("default", event("three", about="web-2")), [False, True, True])):
        before = [os.stat(f).st_mtime_ns for f in folders]
        change()
        assert wait_for(lambda: [os.stat(f).st_mtime_ns > b for f, b in zip(folders, before)] == seen), [os.stat(f).st_mtime_ns - b for f, b in zip(folders, before)]


@pytest.mark.parametrize("option, mode, dir_mode", [("umask=0", 0o444, 0o555), ("umask=077", 0o400, 0o500), ("umask=007", 0o440, 0o550), ("umask=0777", 0, 0)])
def test_umask(fake, mount, option, mode, dir_mode):
    fake.create("default", event("one"))
    m = mount(fake, option, "uid=1234", "gid=4321")
    st = os.stat(m.path("default/pods/web-1/events/one"))
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode, 1234, 4321)
    st = os.stat(m.path("default"))
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (dir_mode, 1234, 4321)
