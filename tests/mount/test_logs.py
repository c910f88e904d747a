"""events.log and events.jsonl: what stands in them, in which order, and what a rotation leaves."""
import collections
import json
import os
import re
import subprocess
import threading
import time

import pytest

from blocker import blocked
from events import event, stamp
import hostile
import loglines
from metrics import Metrics
from mounts import LINKS
from servers import Fake, run, wait_for
from test_bytes import raw_events
from test_follow import Writer
from test_held import SENDERS, held
from test_live import restart, running, see


def directories(m):
    """Every directory that lists events.log, and whether it has events.jsonl too."""
    for d, _, names in os.walk(m.dir):
        if os.path.islink(f"{d}/events.log"):
            yield d, "events.jsonl" in names


def key(e):
    return e["metadata"]["namespace"], e["metadata"]["name"]


def revision(e):
    return key(e), e["metadata"]["uid"], e["metadata"]["resourceVersion"]


def logged(m, *place):
    """[event] of an events.jsonl; each line is the compact form of itself."""
    found = []
    for text in loglines.lines(loglines.read(m.path(*place, "events.jsonl"))):
        assert loglines.compact(text) == text + b"\n" or loglines.compact(text[:-1]) == text
        found.append(json.loads(text))
    return found


def without_managed(e):
    """As kubectl prints an event."""
    return {**e, "kind": "Event", "apiVersion": "v1", "metadata": {k: v for k, v in e["metadata"].items() if k != "managedFields"}}


def settle(server, m):
    """The last revision in events.jsonl of each event that there is is what kubectl prints, byte for byte. Returns how many there are."""
    wrong = []

    def look():
        last = {}
        for text in loglines.lines(loglines.read(m.path("events.jsonl"))):
            last[key(json.loads(text))] = text
        want = server.oracle()
        wrong[:] = [k for k, text in want.items() if last.get(k) != loglines.compact(text)]
        return not wrong and len(want)
    count = wait_for(look, 20, 0.3)
    assert not wrong, f"{len(wrong)} of the last lines differ: {wrong[:5]}"
    return count


# What stands in them

def test_lines_say_what_the_events_say(server, mount):
    """Every line, at the top, in each namespace, and of each object: against a second writing of the man page, and against kubectl."""
    m = mount(server)
    assert settle(server, m) >= 2000 + len(server.hostile)
    before = loglines.read(m.path("events.log"))
    everything = loglines.check(m.dir)
    assert len(everything) >= 2000 and len(loglines.lines(before)) <= len(everything)
    seen = collections.Counter()
    for d, jsonl in directories(m):
        depth = len(os.path.relpath(d, m.dir).split("/")) if d != m.dir else 0
        seen[depth] += 1
        assert jsonl == ("events.jsonl" in LINKS[depth])
        if depth == 1:
            part = loglines.check(d)
            assert all(key(e)[0] == os.path.basename(d) for e in part)
            of_all = [revision(e) for e in everything if key(e)[0] == os.path.basename(d)]
            assert [revision(e) for e in part][:len(of_all)] == of_all  # in between, real components go on
    assert seen[0] == 1 and seen[1] >= 4 and seen[3] >= 20
    # An object's is what the whole log says of the events in its directory.
    lines = collections.defaultdict(list)
    for e in everything:
        lines[key(e)].append(loglines.line(e))
    checked = 0
    for d, jsonl in directories(m):
        if not jsonl:
            got = loglines.lines(loglines.read(f"{d}/events.log"))
            names = [json.loads(loglines.read(f"{d}/events/{n}"))["metadata"] for n in os.listdir(f"{d}/events")]
            want = [line for e in names for line in lines[e["namespace"], e["name"]]]
            assert not collections.Counter(want) - collections.Counter(got), d
            checked += len(got)
    assert checked >= 2000


def test_jq_reads_what_kubectl_prints(server, mount):
    m = mount(server)
    settle(server, m)

    def by_revision(text):
        return {revision(json.loads(line)): line for line in text.splitlines()}

    def look():
        ours = by_revision(run("jq", "-c", ".", m.path("events.jsonl")).stdout)
        theirs = by_revision(run("jq", "-c", ".items[]", input=server.kubectl("get", "events", "-A", "-o", "json").stdout).stdout)
        return len(theirs) >= 2000 and all(ours.get(k) == v for k, v in theirs.items())
    assert wait_for(look, 20, 0.3)


def test_the_first_sync_in_the_order_of_last_seen(fake, mount):
    """What was there; then what comes, as it comes, whatever time it has."""
    fake.load(3000, namespaces=3, pods=5)
    fake.bulk([("create", "events", "flood-1", event(f"odd-{i}", lastTimestamp=t, firstTimestamp=None)) for i, t in enumerate((None, stamp(0), "2200-01-01T00:00:00Z", "rubbish", stamp(time.time() - 1800)))])
    m = mount(fake)
    first = loglines.check(m.dir)
    assert len(first) == 3005
    times = [loglines.last_seen(e) for e in first]
    assert times == sorted(times) and times[0] < times[-1]
    assert [e["metadata"]["name"] for e in (first[0], first[-1])] == ["odd-1", "odd-2"]
    for i, seconds in enumerate((60, 0, 3600, -86400)):
        fake.create("flood-2", event(f"late-{i}", "flood-2", lastTimestamp=stamp(time.time() + seconds), firstTimestamp=None))
    assert wait_for(lambda: len(loglines.check(m.dir)) == 3009)
    for place in (m.dir, m.path("flood-2"), m.path("flood-2/pods/web-1")):
        assert [line.split()[-3:] for line in loglines.lines(loglines.read(f"{place}/events.log"))[-4:]] == [[b"tests", b"a", b"message"]] * 4
    assert [e["metadata"]["name"] for e in logged(m)[-4:]] == [f"late-{i}" for i in range(4)]


def test_every_revision_in_the_order_of_arrival(server, mount):
    """Creations, updates, and the same again behind a deletion: as the server's own watch tells them."""
    home = server.namespace("every")
    m = mount(server)
    begin = server.get(f"/api/v1/namespaces/{home}/events")["metadata"]["resourceVersion"]
    told = []

    def watch():
        for change in server.stream(f"/api/v1/namespaces/{home}/events?watch=1&resourceVersion={begin}&timeoutSeconds=30"):
            told.append((change["type"], without_managed(change["object"])))
            if change["object"]["reason"] == "Last":
                return
    thread = threading.Thread(target=watch)
    thread.start()
    time.sleep(0.3)
    for i in range(12):
        sent = event(f"e{i % 4}", home, about=f"web-{i % 3}")
        server.create(home, sent)
        for n in range(2, 6):
            server.update(home, {**sent, "count": n, "message": f"the same\nagain: {n}"})
        server.delete(home, f"e{i % 4}")
    server.create(home, event("last", home, reason="Last"))
    thread.join(40)
    want = [e for kind, e in told if kind != "DELETED"]
    assert len(want) == 61
    assert wait_for(lambda: len(logged(m, home)) == 61), len(logged(m, home))
    assert logged(m, home) == want
    assert [e for e in logged(m) if key(e)[0] == home] == want
    assert loglines.check(m.path(home)) == want


def test_hostile_texts(fake, mount):
    """Whatever any field holds, in a list or through a watch: one line each, no control character, and every field what the man page says."""
    texts = [*hostile.TEXTS, "-", "--", " ", "a b", "\u2028\u2029\u202e\u2066\u200e", "x" * 1024, "x" * 1025, "\u00e9" * 512 + "y", "x" + "\u00e9" * 512, "\n" * 1025, "\\" * 3000, "\x1b" * 5000, "\u009b31m", "...", "\U0001f389" * 300]
    messages = [*texts, "x" * 16384, "x" * 16385, "x" + "\u00e9" * 8192, "\x9b" * 9000, "m" * (1 << 20), "\n" * (1 << 20), "", " lead", "trail "]
    bodies = [event(f"m{i}", message=t) for i, t in enumerate(messages)]
    for i, t in enumerate(texts):
        bodies += [event(f"r{i}", reason=t), event(f"t{i}", type=t), event(f"k{i}", kind=t), event(f"o{i}", about=t), event(f"c{i}", source={"component": t}), event(f"h{i}", source={"component": "c", "host": t}),
                   event(f"p{i}", source={}, reportingComponent=t), event(f"all{i}", reason=t, type=t, kind=t, about=t, message=t, source={"component": t, "host": t})]
    counts = [0, -1, 1, 7, 2**31, 2**63, 1.5, "3", None, True]
    bodies += [event(f"n{i}", count=c) for i, c in enumerate(counts)] + [event(f"s{i}", series={"count": c, "lastObservedTime": stamp()[:-1] + ".654321Z"}) for i, c in enumerate(counts)]
    for first in (True, False):
        if first:
            fake.bulk([("create", "events", "listed", b) for b in bodies] + [("create", "events", "raw", raw) for raw in raw_events()])
            m = mount(fake)
        else:
            fake.bulk([("create", "events", "watched", b) for b in bodies])
        place = m.path("listed" if first else "watched")
        assert wait_for(lambda: os.path.exists(f"{place}/events.log") and len(loglines.check(place)) == len(bodies), 20, 0.3), len(loglines.check(place))
    settle(fake, m)
    longest = max(loglines.lines(loglines.read(m.path("events.log"))), key=len)
    assert 16384 < len(longest) < 131072
    raw = loglines.read(m.path("raw/events.log"))
    assert raw.count(b"\n") > 100 and not any(loglines.is_control(c) for c in raw.replace(b"\n", b"").decode())


def test_without_logs(fake, mount):
    """-o log_max=0: no name of them anywhere, listed or not."""
    fake.load(20, namespaces=2)
    m = mount(fake, "log_max=0")
    assert m.settle(fake) == 20
    fake.create("flood-0", event(namespace="flood-0"))
    assert wait_for(lambda: os.path.isdir(m.path("flood-0/pods/web-1")))
    for d, dirs, names in os.walk(m.dir):
        for name in ("events.log", "events.jsonl", "events.log.1", "events.jsonl.1"):
            assert name not in names + dirs and not os.path.lexists(f"{d}/{name}"), d
    for d in (".kevfs", ".kevfs/namespaces/flood-0"):
        assert not [n for n in os.listdir(m.path(d)) if n.startswith("events.")]
    assert not os.path.lexists(m.path("flood-0/pods/web-1/.kevfs"))


def test_walks_meet_each_event_once(fake, mount, scratch):
    """Links are listed, for completion, and nobody who walks goes through them."""
    fake.load(100, namespaces=2, pods=3)
    m = mount(fake)
    for d, jsonl in directories(m):
        for name in ["events.log", *(["events.jsonl"] if jsonl else [])]:
            assert os.path.islink(f"{d}/{name}") and os.path.isfile(f"{d}/{name}")
            assert os.lstat(f"{d}/{name}").st_size == len(os.readlink(f"{d}/{name}"))
    assert len(run("grep", "-r", "--count", "metadata", m.dir).stdout.splitlines()) == 100
    assert len(run("find", m.dir, "-type", "f").stdout.splitlines()) == 100
    run("rsync", "-a", m.dir + "/", scratch / "copy")
    assert len([n for d, _, names in os.walk(scratch / "copy") for n in names if not os.path.islink(os.path.join(d, n))]) == 100
    assert run("sh", "-c", f"echo {m.path('flood-0')}/ev*").stdout.decode().split() == [m.path("flood-0", n) for n in ("events", "events.jsonl", "events.log")]


def test_an_objects_log_where_only_its_directory_is_known(fake, mount):
    """The link holds without what is above it."""
    fake.create("default", event(message="inside"))
    m = mount(fake)
    assert b"inside" in run("cat", "events.log", cwd=m.path("default/pods/web-1")).stdout
    assert b"inside" in run("cat", "events.log", cwd=m.path("default")).stdout


# When the watch begins anew

@pytest.mark.disturbs
@pytest.mark.timeout(120)
def test_a_relist_adds_no_line_twice(server, mount):
    """What is known already is not news, however often it is told; what came meanwhile is, once."""
    home = server.namespace("relist")
    server.create(home, event("known", home))
    m = mount(server)
    assert wait_for(lambda: os.path.exists(m.path(home, "events.jsonl")) and len(logged(m, home)) == 1)
    if isinstance(server, Fake):
        for how in ("end", "drop"):
            server.order(how)
            server.create(home, event(f"after-{how}", home))
            assert wait_for(lambda: len(logged(m, home)) >= 2)
        server.order("compact", rv=0)
        server.order("drop")
        server.create(home, event("after-compact", home))
    count = len(logged(m, home)) if not isinstance(server, Fake) else 4
    restart(server, lambda: time.sleep(1))
    server.create(home, event("after", home))
    assert wait_for(lambda: len(logged(m, home)) == count + 1, 45, 0.2), [e["metadata"]["name"] for e in logged(m, home)]
    settle(server, m)
    found = [revision(e) for e in logged(m)]
    assert len(found) == len(set(found)), [r for r, n in collections.Counter(found).items() if n > 1]


def test_a_restored_server(fake, mount):
    """resourceVersions begin again: those revisions are new, although their numbers are not."""
    fake.create("default", event("kept"))
    fake.order("save")
    fake.create("default", event("lost", message="before"))
    m = mount(fake)
    assert len(logged(m)) == 2
    fake.order("restore")
    fake.create("default", event("lost", message="after"))
    assert wait_for(lambda: [e["message"] for e in logged(m)][2:] == ["after"], 30)
    time.sleep(0.5)
    assert [e["metadata"]["name"] for e in logged(m)] == ["kept", "lost", "lost"] and len(loglines.check(m.dir)) == 3


def test_a_remount_begins_with_what_is_there(fake, mount):
    fake.load(200, namespaces=2)
    m = mount(fake)
    first, inode = logged(m), os.stat(m.path("events.log")).st_ino
    m.close()
    m = mount(fake)
    assert logged(m) == first and os.stat(m.path("events.log")).st_ino != inode


def test_delay_sync(fake, mount):
    """Who opens the log at once waits, and then reads what the first sync brought, in its order."""
    fake.load(500, namespaces=2)
    with fake.fault("stall", resource="events") as fault:
        m = mount(fake, "delay_sync")
        with subprocess.Popen(["cat", m.path("events.log")], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as cat:
            time.sleep(0.5)
            assert cat.poll() is None
            fault.remove()
            got, _ = cat.communicate(timeout=30)
    first = loglines.check(m.dir)
    assert len(first) == 500 and got == b"".join(map(loglines.line, first))
    times = [loglines.last_seen(e) for e in first]
    assert times == sorted(times)
    fake.create("default", event("then"))
    assert wait_for(lambda: [e["metadata"]["name"] for e in logged(m)[500:]] == ["then"])


def test_a_recording_is_logged_as_it_plays(mount, scratch):
    """What it begins with, by last seen; then each change."""
    def line(kind, name, version, seconds, **more):
        return json.dumps({"type": kind, "object": without_managed({**event(name, lastTimestamp=stamp(10**9 + seconds), firstTimestamp=None, **more), "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(version)}})}) + "\n"
    played = [line("ADDED", "a", 5, 50), line("ADDED", "b", 6, 20), line("ADDED", "c", 3, 30), line("MODIFIED", "a", 7, 60), line("DELETED", "b", 8, 0), line("MODIFIED", "a", 9, 70), line("ADDED", "b", 10, 80)]
    (scratch / "watch").write_text("".join(played))
    for options in (["replay=100"], []):
        m = mount(None, *options, source=f"file:{scratch}/watch")
        assert wait_for(lambda: len(logged(m)) == 6), logged(m)
        found = [(e["metadata"]["name"], e["metadata"]["resourceVersion"]) for e in loglines.check(m.dir)]
        want = [("b", "6"), ("c", "3"), ("a", "5"), ("a", "7"), ("a", "9"), ("b", "10")]
        assert found == want


# Rotation

LOGS = [("events.log", "events.jsonl"), ("default/events.log", "default/events.jsonl"), ("default/pods/web-1/events.log",)]


def beside(m, name, suffix=".1"):
    """The path of a log's file itself."""
    return os.path.realpath(m.path(name)) + suffix


def test_rotation(fake, mount):
    """As logrotate does it: the file keeps its inode under its second name, whoever has it open reads on to its end, all logs rotate
    together, and a listing that the kernel keeps shows it."""
    names = [n for group in LOGS for n in group]
    m = mount(fake, "log_max=16K")
    fake.create("default", event("first", message="f" * 100))
    assert wait_for(lambda: all(os.path.exists(m.path(n)) and os.stat(m.path(n)).st_size for n in names))
    for d in {os.path.dirname(beside(m, n)) for n in names}:
        assert not [n for n in os.listdir(d) if n.endswith(".1")]
    for n in names:
        assert not os.path.exists(beside(m, n))
    held = {n: open(m.path(n), "rb", buffering=0) for n in names}  # pylint: disable=consider-using-with
    inodes = {n: os.stat(m.path(n)).st_ino for n in names}
    begins = {n: held[n].read() for n in names}
    fake.create("default", event("second", message="s" * 16384))
    for n in names:
        # The kernel is told of one name after the other, and of the listing behind them.
        see(lambda n=n: os.path.exists(beside(m, n)) and os.stat(beside(m, n)).st_ino == inodes[n], 5)
        see(lambda n=n: os.path.basename(beside(m, n)) in os.listdir(os.path.dirname(beside(m, n))), 5)
        see(lambda n=n: os.stat(m.path(n)).st_ino != inodes[n], 5)
        assert os.stat(m.path(n)).st_size == 0 and loglines.read(m.path(n)) == b""
        # The line that filled it is its last.
        assert os.fstat(held[n].fileno()).st_ino == inodes[n]
        rest = held[n].read()
        assert b"s" * 1000 in rest and rest.endswith(b"\n") and loglines.read(beside(m, n)) == begins[n] + rest
    before = {n: loglines.read(beside(m, n)) for n in names}
    fake.create("default", event("third", message="third"))
    for n in names:
        see(lambda n=n: b"third" in loglines.read(m.path(n)), 5)
        assert loglines.read(beside(m, n)) == before[n] and held[n].read() == b""
    # The second rotation lets the first file go; who has it open has it.
    fake.create("default", event("fourth", message="4" * 16384))
    for n in names:
        see(lambda n=n: b"third" in loglines.read(beside(m, n)), 5)
        assert os.path.basename(beside(m, n)) + ".1" not in os.listdir(os.path.dirname(beside(m, n)))
        held[n].seek(0)
        assert held[n].read() == before[n] and os.fstat(held[n].fileno()).st_ino == inodes[n]
        held[n].close()
    assert m.settle(fake) == 4


def test_nothing_is_lost_between_two_files(fake, mount):
    """Opened by name, again and again, and read to the end: the files together are all lines, none twice."""
    m = mount(fake, "log_max=40K")
    writer, files = Writer(fake), {}

    def collect(stop):
        while True:
            last = stop.is_set()
            for path in (m.path(".kevfs/events.jsonl.1"), m.path(".kevfs/events.jsonl")):
                try:
                    with open(path, "rb") as f:
                        inode, text = os.fstat(f.fileno()).st_ino, f.read()
                except FileNotFoundError:
                    continue
                assert text.startswith(files.get(inode, b"")) or files[inode].startswith(text)
                files[inode] = max(text, files.get(inode, b""), key=len)
            if last:
                return
    with running(collect):
        for _ in range(60):
            writer.write(10)
            time.sleep(0.05)
        time.sleep(0.5)
    assert len(files) > 5
    found = [json.loads(text)["message"] for content in files.values() for text in content.splitlines()]
    assert len(found) == 600 and [int(re.match(r"n(\d+)", message)[1]) for message in found] == list(range(600))


def test_logs_of_what_comes_and_goes(fake, mount):
    """Namespaces and objects end, and come again, while their logs are open and rotate: no error, no torn line."""
    m = mount(fake, "log_max=64K")
    stopped = []

    def read_all(stop):
        while not stop.is_set():
            for d, _, names in os.walk(m.dir):
                for n in names:
                    if n.startswith("events."):
                        try:
                            text = loglines.read(f"{d}/{n}")
                        except FileNotFoundError:
                            continue
                        assert b"\0" not in text and (text == b"" or text.endswith(b"\n")), (d, n)
                        stopped.append(n)

    def hold(stop):
        """Many open at once, for longer than their directory is there."""
        held = collections.deque()
        while not stop.is_set():
            for i in range(3):
                for n in (f"ns-{i}/events.log", f"ns-{i}/pods/p{i}/events.log", f"ns-{i}/events.jsonl"):
                    try:
                        held.append(open(m.path(n), "rb", buffering=0))
                    except FileNotFoundError:
                        continue
            while len(held) > 60:
                with held.popleft() as f:
                    text = f.read()
                    assert b"\0" not in text and (text == b"" or text.endswith(b"\n"))
            time.sleep(0.01)
        while held:
            held.popleft().close()
    with running(read_all, hold):
        for i in range(40):
            home = f"ns-{i % 3}"
            fake.bulk([("put", "pods", home, {"metadata": {"name": f"p{k}"}}) for k in range(5)] + [("create", "events", home, event(f"e{k}", home, about=f"p{k % 7}")) for k in range(40)])
            fake.bulk([("update", "events", home, event(f"e{k}", home, about=f"p{k % 5}", count=2)) for k in range(0, 40, 2)])
            if i % 4 == 3:
                fake.delete_namespace(home)
            else:
                fake.bulk([("delete", "events", home, f"e{k}") for k in range(40)])
    m.settle(fake)
    assert len(stopped) > 100


# More changes than the journal holds

@pytest.mark.timeout(180)
def test_nothing_is_missing_where_the_journal_overflows(fake, start_fake, mount):
    """So many directories are held that nothing is told any more, for as long as 150,000 changes take: updates, deletions, and the same
    names again. Every revision is in events.jsonl, once, in the server's order."""
    big = start_fake()
    big.create("default", event("big", message="x" * (1 << 20)))
    other = mount(big)
    for i in range(SENDERS):
        fake.create("default", event(f"before-{i}", about=f"held-{i}"))
    m = mount(fake, "log_max=1G")
    os.listdir(m.path(".kevfs/namespaces/default/events"))  # of which something is to be told with each change
    with blocked(other, *(m.path(f"default/pods/held-{i}/events") for i in range(SENDERS))) as blockers:
        for i in range(SENDERS):
            fake.create("default", event(f"held-{i}", about=f"held-{i}"))
        assert wait_for(lambda: held(m) == SENDERS, 60, 0.1)
        for i in range(50):
            names = [f"e{k}" for k in range(1000)]
            fake.bulk([("put", "events", "default", event(n, about=f"web-{i % 3}", count=i + 1, message=f"{i}{again}")) for again in ("", " again") for n in names] + [("delete", "events", "default", n) for n in names])
        last = int(fake.create("default", event("behind"))["metadata"]["resourceVersion"])
        assert wait_for(lambda: fake.watching()[0]["sentRV"] == last, 60, 0.2)
        # Nothing is told, and everything is answered.
        assert not any(e["metadata"]["name"] == "behind" for e in logged(m)) and all(p.poll() is None for p in blockers)
    assert wait_for(lambda: any(e["metadata"]["name"] == "behind" for e in logged(m)), 60, 1)
    versions = [int(e["metadata"]["resourceVersion"]) for e in logged(m)]
    assert len(versions) == len(set(versions)) == 100001 + 2 * SENDERS
    # What was there at the mount is in the order of last seen.
    assert versions[SENDERS:] == sorted(versions[SENDERS:])
    assert len(loglines.check(m.dir)) == 100001 + 2 * SENDERS
    assert m.settle(fake) == 1 + 2 * SENDERS and "missing" not in m.said()
    assert Metrics(m).get("kevfs_resyncs_total") >= 1 and Metrics(m).get("kevfs_log_missing_total") == 0
