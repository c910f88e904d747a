"""Namespaces that may not be seen: they are listed, and say EACCES, to root too; the others are as ever. What may be seen follows the
server. On the fake server service accounts may list what it is told; on the real one RBAC says so."""
import contextlib
import errno
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from events import event
from reports import status
from servers import run, wait_for
from test_refusals import one_line

# A 403 is believed when it was repeated for ten seconds, and asked about again each minute; and the machine may be busy.
BELIEVED, ASKED = 60, 150


def permit(fake, **where):
    """permit(fake, events=["a"], pods=[]): where the service account may list; without a resource, everywhere."""
    fake.order("config", permitted=None)
    fake.order("config", permitted=where)


def look(path):
    try:
        return os.listdir(path) if os.path.isdir(path) else os.lstat(path)
    except OSError as e:
        return e.errno


def is_denied(m, name):
    """Does the namespace say EACCES, wherever one looks into it? None of it, or all."""
    said = set()
    for path in (m.path(name), m.path(".kevfs/namespaces", name)):
        assert os.stat(path).st_mode == 0o40555
        for below in ("", "events", "events.log", "by-type", "pods", "nobody"):
            try:
                os.lstat(os.path.join(path, below)) if below else os.listdir(path)
                said.add("seen")
            except PermissionError:
                said.add("denied")
            except FileNotFoundError:
                said.add("seen")
    return said == {"denied"}


def events_of(m, *namespaces):
    return {n: sorted(os.listdir(m.path(n, "events"))) for n in namespaces}


def pods_of(m, namespace):
    return sorted(os.listdir(m.path(namespace, "pods")))


@pytest.fixture
def world(fake):
    """Three namespaces with two events each, and a pod."""
    for name in ("a", "b", "c"):
        fake.namespace(name)
        fake.pod(name, f"pod-{name}")
        for i in range(2):
            fake.create(name, event(f"{name}-{i}", name))
    return fake


ALL = {"a": ["a-0", "a-1"], "b": ["b-0", "b-1"], "c": ["c-0", "c-1"]}


def only(*namespaces):
    return {n: ALL[n] for n in namespaces}


def test_some_namespaces(world, mount):
    permit(world, events=["a", "b"], pods=["a"])
    m = mount(world, source="token")
    assert {"a", "b", "c", "default"} <= set(os.listdir(m.dir))
    assert {"a", "b", "c", "default"} <= set(os.listdir(m.path(".kevfs/namespaces")))
    assert events_of(m, "a", "b") == only("a", "b")
    assert is_denied(m, "c") and is_denied(m, "default") and not is_denied(m, "a")
    assert "pod-a" in pods_of(m, "a") and "pod-b" not in os.listdir(m.path("b")) and not status(m)["stale"]
    # Watched, not only listed; and no more watches than that.
    world.create("a", event("new", "a"))
    world.create("c", event("unseen", "c"))
    assert wait_for(lambda: "new" in events_of(m, "a")["a"])
    assert sorted(r["namespace"] for r in world.watching()) == ["a", "b"] and [r["namespace"] for r in world.watching("pods")] == ["a"]
    log = open(m.path("events.log"), encoding="utf-8").read()
    assert "a/" in log and "c/" not in log
    assert "events may not be listed in all namespaces at once: User " in m.said() and "2 of 7 namespaces may be seen" in m.said()


def test_walks_say_so_and_go_on(world, mount):
    permit(world, events=["a", "b"])
    m = mount(world, source="token")
    for command, code in ((["ls", "-R"], 1), (["find"], 1), (["grep", "-r", "metadata"], 2), (["du"], 1), (["tar", "-cf", "/dev/null"], 2)):
        r = subprocess.run([*command, m.dir], capture_output=True, text=True, check=False)
        assert r.returncode == code, (command, r)
        denied = [line for line in r.stderr.splitlines() if "Permission denied" in line]
        assert len(denied) == 5 and any(m.path("c") in line for line in denied), (command, r.stderr)
    assert sorted(os.path.basename(f) for f in m.files()) == [b"a-0", b"a-1", b"b-0", b"b-1"]
    r = subprocess.run(["cat", m.path("events.log"), m.path("c/events.log"), m.path("c/by-type/Normal/x")], capture_output=True, text=True, check=False)
    assert r.stderr.count("Permission denied") == 2 and r.stdout.count("\n") == 4


def test_namespaces_forbidden(world, mount, scratch):
    """Then it is the context's that is watched; where it names none, "default", as with kubectl."""
    permit(world, events=["b", "default"], namespaces=[])
    world.create("default", event("here"))
    m = mount(world, source="token")
    assert os.listdir(m.dir) and events_of(m, "default") == {"default": ["here"]}
    # Pods may be listed: a directory that is known by its pods is not one without events.
    assert is_denied(m, "a") and is_denied(m, "b")
    text = open(world.kubeconfig, encoding="utf-8").read()
    assert "cluster: fake, user: token" in text
    (scratch / "config").write_text(text.replace("cluster: fake, user: token", "cluster: fake, user: token, namespace: b"))
    permit(world, events=["b"], namespaces=[], pods=["b"])
    m = mount(kubeconfig=str(scratch / "config"), source="token")
    assert m.members() == ["b"] and events_of(m, "b") == only("b") and "pod-b" in pods_of(m, "b")


@pytest.mark.parametrize("where, words", [
    ({"events": []}, 'nor may those of any of the 7 namespaces'),
    ({"events": ["a"], "namespaces": []}, "nor may those of namespace default; -o namespace= names others"),
])
def test_nothing_may_be_seen(world, mount, where, words):
    permit(world, **where)
    said = one_line(mount(world, source="token", refused=True, background=True))
    assert 'cannot list resource "events" in API group "" at the cluster scope' in said and words in said


def test_given_namespaces(world, mount):
    permit(world, events=["a", "b"], namespaces=["a"], pods=["b"])
    m = mount(world, "namespace=a", "namespace=c", source="token")
    assert m.members() == ["a", "c"] and events_of(m, "a") == only("a") and is_denied(m, "c")
    assert "events of namespace c may not be listed" in m.said() and "1 of 2 namespaces may be seen" in m.said()
    # Nothing is asked for that lies outside of them.
    assert not world.requests(namespace="", resource="events", user="system:serviceaccount:default:fake-token-1")
    said = one_line(mount(world, "namespace=c", source="token", refused=True, background=True))
    assert 'events of namespace c may not be listed: User "system:serviceaccount:default:fake-token-1" cannot list resource "events"' in said
    said = one_line(mount(world, "namespace=c", "namespace=default", source="token", refused=True, background=True))
    assert "nor may those of the other 1 namespaces" in said


def test_given_namespace_that_is_not_there(world, mount):
    """The server lists the events of one that there is not as none. Who may get a namespace is told."""
    m = mount(world, "namespace=a", "namespace=mistyped", source="token", background=True)
    assert m.members() == ["a", "mistyped"] and m.said().count("there is no namespace mistyped") == 1 and m.said().count("\n") == 1
    permit(world, namespaces=[])
    m = mount(world, "namespace=mistyped", source="token")
    assert m.members() == ["mistyped"] and m.said() == ""
    # It may come to be.
    world.namespace("mistyped")
    world.create("mistyped", event("late", "mistyped"))
    assert wait_for(lambda: events_of(m, "mistyped") == {"mistyped": ["late"]})


def test_new_namespace_with_an_unknown_kind(world, mount, scratch):
    """Its events wait while API discovery is asked what one of them is about: until they are there it may not be seen."""
    permit(world, events=["a", "b", "d"])
    m = mount(world, f"state={scratch}/state", source="token")
    m.close()
    world.namespace("d")
    world.create("d", event("d-0", "d"))
    world.create("d", event("d-w", "d", kind="Widget", api_version="example.com/v1"))
    with world.fault("stall", verb="discovery") as fault:
        m = mount(world, f"state={scratch}/state", source="token")
        seen = []

        def there():
            seen.append(look(m.path("d/events")))
            return isinstance(seen[-1], list)
        assert wait_for(there, 30) and fault.acted()
        assert sorted(seen[-1]) == ["d-0", "d-w"] and set(seen[:-1]) <= {errno.EACCES, errno.ENOENT} and errno.EACCES in seen


def test_namespaces_come_and_go(world, mount):
    permit(world, events=["a", "new"])
    m = mount(world, source="token")
    world.namespace("new")
    world.namespace("other")
    world.create("new", event("first", "new"))
    assert wait_for(lambda: os.path.isdir(m.path("new")) and not is_denied(m, "new") and events_of(m, "new") == {"new": ["first"]})
    assert wait_for(lambda: os.path.isdir(m.path("other"))) and is_denied(m, "other")
    world.delete_namespace("new")
    assert wait_for(lambda: "new" not in os.listdir(m.dir))
    # libcurl tells the server that it has left a stream when the connection has something else to say.
    world.create("a", event("more", "a"))
    assert wait_for(lambda: sorted(r["namespace"] for r in world.watching()) == ["a"])
    assert events_of(m, "a") == {"a": ["a-0", "a-1", "more"]}


def test_too_many_namespaces(fake, mount):
    for i in range(300):
        fake.namespace(f"n{i:03}")
    fake.create("n299", event("far", "n299"))
    permit(fake, events=["n000", "n299"])
    said = one_line(mount(fake, source="token", refused=True, background=True))
    assert "max_watches is 250" in said and 'a ClusterRole that allows to list and watch events in the API group ""' in said and "-o namespace=" in said
    m = mount(fake, "max_watches=400", source="token")
    assert events_of(m, "n299") == {"n299": ["far"]} and is_denied(m, "n100")
    given = [f"namespace=n{i:03}" for i in range(251)]
    assert "max_watches is 250" in one_line(mount(fake, *given, source="token", refused=True, background=True))


def test_too_many_namespaces_later(world, mount):
    permit(world, events=["a", "d"])
    m = mount(world, "max_watches=7", source="token")
    world.namespace("d")
    assert wait_for(lambda: os.path.isdir(m.path("d")))
    assert is_denied(m, "d") and wait_for(lambda: "1 of 8 namespaces cannot be watched" in m.said())
    world.delete_namespace("b")
    assert wait_for(lambda: not is_denied(m, "d"))


def test_delayed(world, mount):
    """Requests wait until it is known what may be seen."""
    permit(world, events=["b"])
    m = mount(world, "delay_sync", source="token")
    assert events_of(m, "b") == only("b") and is_denied(m, "a")


def logged(m, directory):
    return sorted(json.loads(line)["metadata"]["name"] for line in open(m.path(directory, "events.jsonl"), encoding="utf-8"))


def test_state_that_may_not_be_seen_any_more(world, mount, scratch):
    """What the last mount left is shown until the server has said for long enough that it may not be seen; and it is kept. What could not
    be seen in the end cannot be seen by the next mount, until the server says otherwise."""
    o = f"state={scratch}/state"
    m = mount(world, o, source="token")
    assert events_of(m, "a", "b", "c") == ALL
    m.close()
    permit(world, events=["b"])
    m = mount(world, o, source="token")
    assert events_of(m, "a", "b", "c") == ALL
    assert wait_for(lambda: is_denied(m, "a") and is_denied(m, "c"), BELIEVED)
    assert events_of(m, "b") == only("b")
    m.close()
    # Before the first answer, and without one.
    world.order("outage", seconds=0)
    m = mount(world, o, source="token")
    assert is_denied(m, "a") and is_denied(m, "c") and events_of(m, "b") == only("b")
    assert logged(m, "") == ALL["b"]
    m.close()
    world.order("recover")
    # Whatever refuses everybody is no answer.
    with world.fault("status", resource="events", code=401):
        m = mount(world, o, source="token")
        assert is_denied(m, "a") and events_of(m, "b") == only("b") and status(m)["stale"]
    m.close()
    # The server still says so.
    m = mount(world, o, source="token")
    assert wait_for(lambda: not status(m)["stale"], BELIEVED) and is_denied(m, "a") and is_denied(m, "c") and events_of(m, "b") == only("b")
    m.close()
    permit(world)
    m = mount(world, o, source="token")
    assert wait_for(lambda: not any(is_denied(m, n) for n in "abc")) and events_of(m, "a", "b", "c") == ALL
    # What could not be seen at first stands in the namespaces' own logs.
    assert {d: logged(m, d) for d in ("", *ALL)} == {"": ALL["b"], **ALL}


def test_state_of_given_namespaces(world, mount, scratch):
    """The same where the mount keeps to some; and another that is permitted by now, and one that is forbidden."""
    o = ("namespace=a", "namespace=b", f"state={scratch}/state")
    permit(world, events=["a"])
    m = mount(world, *o, source="token")
    assert is_denied(m, "b") and events_of(m, "a") == only("a")
    m.close()
    world.order("outage", seconds=0)
    m = mount(world, *o, source="token")
    assert is_denied(m, "b") and events_of(m, "a") == only("a")
    permit(world, events=["b"])
    world.order("recover")
    assert wait_for(lambda: not is_denied(m, "b") and is_denied(m, "a"), ASKED) and events_of(m, "b") == only("b")
    # It is on the disk soon.
    with contextlib.closing(sqlite3.connect(f"file:{scratch}/state/events.db?mode=ro", uri=True)) as db:
        assert wait_for(lambda: db.execute("SELECT value FROM meta WHERE key = ?", (b"permitted",)).fetchone() == (b"b\0",), 10)
    os.kill(m.pid(), signal.SIGKILL)
    m.process.wait(10)
    m.unmount()
    m.refused = True  # it did not end well, and was not to
    world.order("outage", seconds=0)
    m = mount(world, *o, source="token")
    assert is_denied(m, "a") and events_of(m, "b") == only("b")


def test_backup_of_what_may_be_seen(world, mount, scratch):
    permit(world, events=["a", "b"])
    m = mount(world, source="token")
    script = os.path.join(os.path.dirname(__file__), "../../scripts/kevfs-backup")
    r = run("bash", script, m.dir, scratch / "backup")
    assert b"4 files copied" in r.stdout and b"5 namespaces may not be seen" in r.stdout
    assert sorted(f for _, _, files in os.walk(scratch / "backup/tree") for f in files) == ["a-0", "a-1", "b-0", "b-1"]


class Writer:
    """Changes events in namespaces, one after the other, and knows which revisions there were."""

    def __init__(self, fake, *namespaces):
        self.fake, self.namespaces = fake, namespaces
        self.written = []  # (namespace, name, resourceVersion)
        self.turn = 0

    def step(self):
        self.turn += 1
        for namespace in self.namespaces:
            name = f"w-{self.turn % 7}"
            write = self.fake.update if self.turn > 7 else self.fake.create
            made = write(namespace, event(name, namespace, count=self.turn))
            self.written.append((namespace, name, made["metadata"]["resourceVersion"]))

    def logged(self, m):
        """The revisions in events.jsonl."""
        found = []
        for namespace in self.namespaces:
            for line in open(m.path(namespace, "events.jsonl"), encoding="utf-8"):
                meta = json.loads(line)["metadata"]
                if meta["name"].startswith("w-"):
                    found.append((meta["namespace"], meta["name"], meta["resourceVersion"]))
        return found

    def check(self, m):
        """Some more revisions, and each of them arrives. None comes twice, none goes back, and the last of each is there."""
        for _ in range(10):
            self.step()
        assert wait_for(lambda: set(self.written[-10 * len(self.namespaces):]) <= set(self.logged(m)))
        logged = self.logged(m)
        assert len(set(logged)) == len(logged) and set(logged) <= set(self.written)
        for namespace in self.namespaces:
            for name in {n for ns, n, _ in self.written if ns == namespace}:
                mine = [int(rv) for ns, n, rv in logged if (ns, n) == (namespace, name)]
                assert mine == sorted(mine)
        last = {(ns, n): rv for ns, n, rv in self.written}
        assert {(*key, rv) for key, rv in last.items()} <= set(logged)


def until(condition, seconds, step=lambda: None):
    """wait_for, and something is done meanwhile."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        step()
        time.sleep(0.05)


@pytest.mark.timeout(300)
def test_cluster_role_goes_and_comes(world, mount):
    """All may be seen; then a and b only; then all again. Nothing is lost on the way where it may be seen, and nothing comes twice."""
    permit(world)
    m = mount(world, source="token")
    assert events_of(m, "a", "b", "c") == ALL
    writer = Writer(world, "a", "b")
    inside = os.open(m.path("c"), os.O_RDONLY)
    look(m.path("c/nobody"))
    permit(world, events=["a", "b"])
    world.order("end")
    start = time.monotonic()
    until(lambda: is_denied(m, "c"), BELIEVED, writer.step)
    # Not at once: an API server that has just started refuses everybody.
    assert time.monotonic() - start > 8
    assert events_of(m, "a")["a"][:2] == ALL["a"] and "pod-c" not in str(look(m.path("c")))
    with pytest.raises(PermissionError):
        os.stat("events", dir_fd=inside)
    os.close(inside)
    assert wait_for(lambda: not status(m)["stale"])
    writer.check(m)
    world.create("c", event("meanwhile", "c"))
    permit(world)
    until(lambda: not is_denied(m, "c"), ASKED, writer.step)
    assert wait_for(lambda: [r["namespace"] for r in world.watching()] == [""])
    assert events_of(m, "c") == {"c": ["c-0", "c-1", "meanwhile"]}
    writer.check(m)
    assert m.settle(world) == len(world.events())


def test_one_that_is_impatient_ends_no_watch(world, mount):
    """A list that is given up after a few seconds tells that it is slow, and not that the connection is dead on which all others are silent."""
    permit(world, events=["a", "b", "d"])
    m = mount(world, "sync_timeout=4", source="token")

    def watches():
        return {w["start"] for kind in ("events", "pods", "namespaces") for w in world.watching(kind)}
    assert wait_for(lambda: len(watches()) == 4)
    known = watches()
    with world.fault("stall", verb="list", resource="events", namespace="d") as f:
        world.namespace("d")
        assert wait_for(lambda: f.acted() > 1, 20) and "not a byte for 4 s" in status(m)["last_error"]
        assert watches() == known
    assert wait_for(lambda: "d" in {w["namespace"] for w in world.watching()})
    assert known <= watches() and not is_denied(m, "d")


@pytest.mark.timeout(300)
def test_role_goes_and_comes(world, mount):
    permit(world, events=["a", "b"])
    m = mount(world, source="token")
    permit(world, events=["a"])
    world.order("end")
    descriptor = os.open(m.path("b/events/b-0"), os.O_RDONLY)
    assert wait_for(lambda: is_denied(m, "b"), BELIEVED)
    assert os.read(descriptor, 10)  # who has it open, reads it
    os.close(descriptor)
    assert events_of(m, "a") == only("a") and not status(m)["stale"]
    assert "events of namespace b may not be" in m.said()
    world.delete("b", "b-0")
    permit(world, events=["a", "b"])
    assert wait_for(lambda: not is_denied(m, "b"), ASKED)
    assert events_of(m, "b") == {"b": ["b-1"]}


@pytest.mark.timeout(300)
def test_role_without_watch(world, mount):
    """May list everything, and watch all but c, one by one: what is not watched is forbidden, and whoever asks for it ends no watch."""
    def asked():
        return [r for r in world.requests(verb="watch", resource="events", namespace="") if "timeoutSeconds=1&" in r["url"]]
    with world.fault("status", verb="watch", resource="events", namespace="c", code=403), world.fault("status", verb="watch", resource="events", namespace="-", code=403):
        m = mount(world)
        assert wait_for(lambda: "c" in os.listdir(m.dir) and is_denied(m, "c"), BELIEVED)
        assert "events may not be watched in all namespaces at once: " in m.said() and "events of namespace c may not be watched: " in m.said()
        assert wait_for(lambda: not status(m)["stale"])
        known = {w["start"] for w in world.watching()}
        assert len(known) == 6 and events_of(m, "a", "b") == only("a", "b")
        assert wait_for(asked, ASKED)
        world.create("a", event("new", "a"))
        assert wait_for(lambda: "new" in events_of(m, "a")["a"])
        assert {w["start"] for w in world.watching()} == known and is_denied(m, "c") and not status(m)["stale"]
    assert wait_for(lambda: [r["namespace"] for r in world.watching()] == [""], ASKED)
    assert wait_for(lambda: not is_denied(m, "c"))
    assert m.settle(world) == len(world.events())


def test_a_server_that_has_just_started_refuses_everybody(world, mount):
    """For a moment; what is shown stays, all the while."""
    m = mount(world, source="token")
    permit(world, events=[], pods=[], namespaces=[])
    world.order("end")
    end = time.monotonic() + 6
    while time.monotonic() < end:
        assert events_of(m, "a", "b", "c") == ALL and "pod-c" in pods_of(m, "c")
        time.sleep(0.1)
    permit(world)
    world.create("c", event("later", "c"))
    assert wait_for(lambda: "later" in events_of(m, "c")["c"], 20)


@pytest.mark.parametrize("code", [401, 500, 503])
def test_other_errors_keep_what_is_shown(world, mount, code):
    permit(world, events=["a", "b"])
    m = mount(world, source="token")
    with world.fault("status", resource="events", namespace="a", code=code):
        world.order("end")
        assert wait_for(lambda: status(m)["stale"])
        end = time.monotonic() + 12
        while time.monotonic() < end:
            assert events_of(m, "a", "b") == only("a", "b")
            time.sleep(0.2)
    assert wait_for(lambda: not status(m)["stale"], 40)


def test_a_namespace_that_cannot_be_known(world, mount):
    """Nobody tells of a new one: until somebody does, there can be Events that are not shown."""
    permit(world, events=["a", "b", "new"])
    m = mount(world, source="token")
    assert wait_for(lambda: not status(m)["stale"])
    with world.fault("status", resource="namespaces", verb="list", code=500), world.fault("status", resource="namespaces", verb="watch", code=500):
        world.order("end")
        world.namespace("new")
        world.create("new", event("unseen", "new"))
        # The watches of Events end as well, and go on.
        assert wait_for(lambda: (said := status(m))["stale"] and said["connected"], 20)
        assert "new" not in os.listdir(m.dir) and events_of(m, "a", "b") == only("a", "b")
    assert wait_for(lambda: not status(m)["stale"], 40)
    assert wait_for(lambda: "new" in os.listdir(m.dir) and events_of(m, "new") == {"new": ["unseen"]})
