"""Recordings of a watch: mounted as they end, and played live."""
import contextlib
import json
import os
import subprocess
import time

import pytest

from events import event, new_name, stamp
from servers import find_kubectl, wait_for
from test_refusals import one_line, refused  # noqa: F401 (a fixture)


@contextlib.contextmanager
def recording(server, path, form):
    """Records all events inside the with statement; what is changed there must end with creating an event called "end-" and
    the form: the other's may be there already."""
    if form == "api":
        command = ["curl", "-sN", "--cacert", server.ca, "--cert", server.cert, "--key", server.key, f"{server.url}/api/v1/events?watch=1&resourceVersion=0&allowWatchBookmarks=true"]
    else:
        command = [find_kubectl(), "--kubeconfig", server.kubeconfig, "--cache-dir", f"{server.directory}/kubectl-cache", "get", "events", "-A", "--watch", "--output-watch-events", "-o", "json"]
    with open(path, "wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE)
    try:
        server.create("default", event(f"begin-{form}"))
        assert wait_for(lambda: f'"begin-{form}"'.encode() in path.read_bytes(), 20), process.stderr.read()
        yield
        assert wait_for(lambda: f'"end-{form}"'.encode() in path.read_bytes(), 20)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def line(kind, name, version, second=None, namespace="default", pretty=False, **more):
    """A line of a watch, its event last seen at that second."""
    seen = None if second is None else f"2026-07-01T12:{second // 60:02}:{second % 60:02}Z"
    meta = {"name": name, "namespace": namespace, "uid": f"u-{name}", "resourceVersion": str(version), "creationTimestamp": "2026-07-01T11:00:00Z"}
    said = {"object": {"apiVersion": "v1", "kind": "Event", "metadata": meta, "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "namespace": namespace}, "lastTimestamp": seen, **more}, "type": kind}
    return json.dumps(said, indent=4) + "\n" if pretty else json.dumps(said, separators=(",", ":")) + "\n"


def shown(m):
    """{name: resourceVersion} of what is in default."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(m.path("default/events")):
            with contextlib.suppress(FileNotFoundError), open(m.path("default/events", name), "rb") as f:
                found[name] = json.load(f)["metadata"]["resourceVersion"]
    return found


def change(server, home):
    """Something of everything."""
    for i in range(20):
        sent = event(new_name(f"web-{i % 3}"), home, about=f"web-{i % 3}")
        server.create(home, sent)
        if i % 2:
            sent["count"] = i
            server.update(home, sent)
        if i % 4 == 3:
            server.delete(home, sent["metadata"]["name"])


def same(found, want):
    assert found.keys() == want.keys()
    for key, (_, content) in found.items():
        assert content == want[key], key


@pytest.mark.parametrize("form", ["kubectl", "api"])
def test_a_recording_mounted_equals_its_end(server, mount, scratch, form):
    """What is in a recording at its end is what the server had then, byte for byte."""
    home = server.namespace(f"recorded-by-{form}")
    with recording(server, scratch / "watch", form):
        change(server, home)
        server.create(home, event(f"end-{form}", home))
    want = {k: v for k, v in server.oracle().items() if k[0] == home}
    m = mount(source=f"file:{scratch}/watch")
    (scratch / "watch").unlink()
    same({k: v for k, v in m.events().items() if k[0] == home}, want)
    server.delete("default", f"begin-{form}")


@pytest.mark.parametrize("form", ["kubectl", "api"])
def test_a_recording_played_ends_the_same(fake, mount, scratch, form):
    """Whatever comes at once and whatever later: at the end it is the same."""
    fake.load(200)
    with recording(fake, scratch / "watch", form):
        change(fake, fake.namespace("recorded"))
        fake.create("default", event(f"end-{form}", lastTimestamp=stamp(time.time() + 60)))
    m = mount(None, "replay=1000", source=f"file:{scratch}/watch")
    assert wait_for(lambda: f"end-{form}" in os.listdir(m.path("default/events")))
    want = fake.oracle()
    same(m.events(), want)
    assert m.said() == ""
    slow = mount(None, "replay=0.000001", source=f"file:{scratch}/watch")
    assert wait_for(lambda: slow.events().keys() == want.keys() - {("default", f"end-{form}")})


@pytest.mark.parametrize("pretty", [False, True])
def test_files_appear_change_and_vanish(mount, scratch, pretty):
    """In the recording's order, and not before their time; seen by ls, stat and cat although the kernel remembers the older."""
    lines = [line("ADDED", "a", 1, 0, pretty=pretty), line("ADDED", "b", 2, 0, pretty=pretty), line("MODIFIED", "a", 3, 600, pretty=pretty), line("ADDED", "c", 4, 610, pretty=pretty), line("MODIFIED", "c", 5, 620, pretty=pretty),
             line("DELETED", "b", 6, 0, pretty=pretty), line("ADDED", "d", 7, 605, pretty=pretty), line("DELETED", "c", 8, 900, pretty=pretty), line("ADDED", "e", 9, 630, pretty=pretty)]
    (scratch / "watch").write_text("".join(lines))
    start = time.monotonic()
    m = mount(None, "replay=10", source=f"file:{scratch}/watch")
    seen, times = [], []
    while "e" not in (now := shown(m)) or not seen:
        # A look takes its time, and may begin in one state and end in the next: two that agree were in one.
        if shown(m) == now and (not seen or seen[-1] != now):
            seen.append(now)
            times.append(time.monotonic() - start)
        assert time.monotonic() - start < 30
        time.sleep(0.005)
    seen.append(shown(m))
    times.append(time.monotonic() - start)
    states = [{"a": "1", "b": "2"}, {"a": "3", "b": "2"}, {"a": "3", "b": "2", "c": "4"}, {"a": "3", "b": "2", "c": "5"}, {"a": "3", "c": "5"}, {"a": "3", "c": "5", "d": "7"}, {"a": "3", "d": "7"}, {"a": "3", "d": "7", "e": "9"}]
    # Some are too short to be seen; none is out of order.
    at = [states.index(s) for s in seen]
    assert at == sorted(at), seen
    for second, state in ((1, 2), (2, 3), (3, 7)):
        i = next(i for i, s in enumerate(at) if s >= state)
        assert times[i] >= second, (seen[i], times)
    assert not os.path.exists(m.path("default/events/b"))
    assert os.stat(m.path("default/events/e")).st_ctime > time.time() - 60


def test_the_first_change_comes_at_once(mount, scratch):
    """Nobody waits for what the recording waited for."""
    (scratch / "watch").write_text(line("ADDED", "a", 1, 0) + line("MODIFIED", "a", 2, 3500) + line("MODIFIED", "a", 3, 3599))
    m = mount(None, "replay=1", source=f"file:{scratch}/watch")
    assert wait_for(lambda: shown(m) == {"a": "2"})


@pytest.mark.parametrize("background", [False, True])
def test_unmounted_while_it_sleeps(mount, scratch, background):
    (scratch / "watch").write_text(line("MODIFIED", "a", 1, 0) + line("MODIFIED", "a", 2, 3599))
    m = mount(None, "replay=0.001", source=f"file:{scratch}/watch", background=background)
    assert wait_for(lambda: shown(m) == {"a": "1"})
    start = time.monotonic()
    assert m.unmount().returncode == 0
    assert m.wait_end() == 0
    assert time.monotonic() - start < 5


def test_what_is_odd_in_it_is_told(mount, scratch):
    """And stops nothing; nothing foreign reaches the terminal."""
    error = '{"type":"ERROR","object":{"kind":"Status","message":"too old\\u001b: \x9b[2J"}}\n'
    pod = '{"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"a","namespace":"default"}}}\n'
    bookmark = '{"type":"BOOKMARK","object":{"kind":"Event","metadata":{"resourceVersion":"9"}}}\n'
    text = line("ADDED", "a", 1, 0) + bookmark + error + pod + line("MODIFIED", "b", 2, 0) + line("MODIFIED", "c", 3, 0)[:90]
    (scratch / "watch").write_text(text)
    for options in ([], ["replay=1"]):
        m = mount(None, "log_max=0", *options, source=f"file:{scratch}/watch")
        assert wait_for(lambda: shown(m) == {"a": "1", "b": "2"}), shown(m)
        said = m.said()
        assert said.count("\n") == 3 and "\x9b" not in said and "\x1b" not in said, said
        assert "failed 1 times: line 3: too old" in said and "1 items that are no Events (the first is a Pod)" in said
        assert f"line 6 (byte {len(text.encode()) - 90}): broken off" in said


BAD = [
    (line("ADDED", "a", 1) + "\x1b[2J\n", "line 2 (byte "),
    (line("ADDED", "a", 1) + line("ADDED", "b", 2)[:-3] + "\n" + line("ADDED", "c", 3), "line 2 (byte "),
    (line("ADDED", "a", 1) + '{"type":"ADDED","object":7}\n', "line 2 (byte "),
    (line("ADDED", "a", 1, pretty=True) + '{"object":{"a":\x1b}}\n', "line 22 (byte "),
    ('{"type":"ADDED"', "line 1 (byte 0): the text is broken off"),
]


@pytest.mark.parametrize("options", [[], ["replay=1"]])
@pytest.mark.parametrize("text, words", BAD, ids=["garbage", "bracket-missing", "no-object", "pretty", "broken-off"])
def test_a_recording_that_makes_no_sense(refused, scratch, text, words, options):  # noqa: F811
    (scratch / "watch").write_text(text)
    one_line(refused(None, *options, source=f"file:{scratch}/watch"), f"{scratch}/watch: ", words)


def test_a_list_cannot_be_played(fake, refused, scratch):  # noqa: F811
    (scratch / "list").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    one_line(refused(None, "replay=1", source=f"file:{scratch}/list"), f"{scratch}/list: no recording", "--output-watch-events")


def test_a_cluster_cannot_be_played(fake, refused):  # noqa: F811
    one_line(refused(fake, "replay=1"), "-o replay", "file:PATH", code=1)


@pytest.mark.parametrize("speed", ["", "0", "-1", "x", "1x", "0.0", "1e3", ".5", "1000001", "\x1b"], ids=repr)
def test_speeds_that_make_no_sense(refused, speed):  # noqa: F811
    one_line(refused(None, f"replay={speed}", source="file:/dev/null"), "not a speed", code=1)


@pytest.mark.parametrize("options", [[], ["replay=1000"]])
def test_a_pipe(mount, scratch, options):
    """To be played it is read more than once: it is kept, in a file that has no name."""
    (scratch / "watch").write_text(line("ADDED", "a", 1) + line("MODIFIED", "a", 2) + line("MODIFIED", "a", 3))
    (scratch / "tmp").mkdir()
    os.mkfifo(scratch / "pipe")
    with subprocess.Popen(["sh", "-c", 'cat "$1" >"$2"', "-", scratch / "watch", scratch / "pipe"]):
        m = mount(None, *options, source=f"file:{scratch}/pipe", environment={"TMPDIR": str(scratch / "tmp")})
    assert wait_for(lambda: shown(m) == {"a": "3"})
    assert os.listdir(scratch / "tmp") == []


def test_a_large_recording_is_not_held(mount, scratch):
    """Without logs, which hold what was, memory follows what is there: 100 MB of changes of one event."""
    with open(scratch / "watch", "w", encoding="ascii") as f:
        for i in range(10):
            f.write(line("MODIFIED", f"n{i}", 1, message="x" * 1000))
        for i in range(1000):
            f.write(line("MODIFIED", "a", i + 2, message="x" * 100000))
    for options in ([], ["replay=1"]):
        m = mount(None, "log_max=0", *options, source=f"file:{scratch}/watch")
        assert wait_for(lambda: shown(m).get("a") == "1001", 30)
        if "asan" not in os.fspath(os.environ.get("KEVFS_BIN", "")) and not m.session.wrapper:
            resident = next(int(row.split()[1]) for row in open(f"/proc/{m.pid()}/status", encoding="ascii") if row.startswith("VmHWM"))
            assert resident < 60000, resident


def test_the_shipped_recording(mount):
    """scripts/try shows it: it can be played, and files come and change in it for a while."""
    path = os.path.join(os.path.dirname(__file__), "../../scripts/cluster.watch")
    final = mount(source=f"file:{path}")
    m = mount(None, "replay=30", source=f"file:{path}")
    first = m.events()
    want = final.events()
    assert 100 < len(first) < len(want)
    assert wait_for(lambda: set(os.listdir(m.path("shop/events"))) == set(os.listdir(final.path("shop/events"))), 30, 0.2)
    assert wait_for(lambda: {k: c for k, (_, c) in m.events().items()} == {k: c for k, (_, c) in want.items()}, 30, 0.2)
    assert final.said() == m.said() == ""
