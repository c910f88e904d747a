"""Dumps: single Events (events.jsonl), compressed files, standard input. Lists are in test_options.py, recordings in test_replay.py."""
import contextlib
import json
import os
import pty
import subprocess
import time

import pytest

from events import event, new_name
from servers import find_kubectl, run, wait_for
from test_refusals import one_line, refused  # noqa: F401 (a fixture)
from test_replay import line, same, shown

# The tool that makes it, and its suffix, which says nothing to kevfs.
TOOLS = [["gzip"], ["gzip", "-1"], ["xz"], ["xz", "-9"], ["xz", "-T2", "--block-size=4096"], ["zstd", "-q"], ["zstd", "-q", "-19"], ["bzip2"]]
FORMS = ["gzip", "xz", "zstd", "bzip2"]


def single(name, version, second=None, namespace="default", **more):
    """A line of events.jsonl."""
    said = json.loads(line("MODIFIED", name, version, second, namespace, **more))["object"]
    return json.dumps(dict(sorted(said.items())), separators=(",", ":"), ensure_ascii=False) + "\n"


def pack(text, *tool):
    return run(*tool, "-c", input=text.encode() if isinstance(text, str) else text).stdout


def play(m, names, seconds=10):
    assert wait_for(lambda: shown(m) == names, seconds), shown(m)


def test_events_jsonl(mount, scratch):
    """The last revision of each name, whatever its resourceVersion; byte for byte as kubectl prints it."""
    text = single("a", 5) + single("b", 6) + single("a", 7, message="ä\u2028<") + single("b", 3, namespace="shop") + single("b", 2)
    (scratch / "events.jsonl").write_text(text)
    m = mount(source=f"file:{scratch}/events.jsonl")
    assert {k: json.loads(c)["metadata"]["resourceVersion"] for k, (_, c) in m.events().items()} == {("default", "a"): "7", ("default", "b"): "2", ("shop", "b"): "3"}
    with open(m.path("default/events/a"), encoding="utf-8") as f:
        assert f.read() == json.dumps(json.loads(text.split("\n")[2]), indent=4, sort_keys=True, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028") + "\n"
    assert m.said() == ""


@pytest.mark.parametrize("indent", [None, 2, 4])
def test_the_items_of_a_list(server, mount, scratch, indent):
    """What jq '.items[]' makes of kubectl's output, on one line each or on many; and what the files of a mount hold."""
    said = json.loads(server.kubectl("get", "events", "-A", "-o", "json").stdout)
    (scratch / "list").write_text(json.dumps(said))
    (scratch / "items").write_text("".join(json.dumps(i, indent=indent) + "\n" for i in said["items"]))
    want = {k: c for k, (_, c) in mount(source=f"file:{scratch}/list").events().items()}
    m = mount(source=f"file:{scratch}/items")
    same(m.events(), want)
    assert len(want) > 2000
    (scratch / "files").write_bytes(b"".join(want.values()))
    same(mount(source=f"file:{scratch}/files").events(), want)


def test_kubectl_watch(fake, mount, scratch):
    """kubectl get --watch without --output-watch-events: revisions, and nothing says which are deletions."""
    fake.create("default", event("first"))
    command = [find_kubectl(), "--kubeconfig", fake.kubeconfig, "--cache-dir", f"{fake.directory}/kubectl-cache", "get", "events", "-A", "--watch", "-o", "json"]
    with open(scratch / "watch", "wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out) as process:
        try:
            assert wait_for(lambda: b'"first"' in (scratch / "watch").read_bytes(), 20)
            sent = event("second")
            fake.create("default", sent)
            fake.update("default", {**sent, "count": 77})
            fake.create("default", event("last"))
            assert wait_for(lambda: (scratch / "watch").read_bytes().count(b'"last"') and (scratch / "watch").read_bytes().endswith(b"}\n"), 20)
        finally:
            process.terminate()
    same(mount(source=f"file:{scratch}/watch").events(), fake.oracle())


def revisions(text):
    """{(namespace, name): [resourceVersion, …]} in the order of events.jsonl."""
    found = {}
    for said in text.splitlines():
        meta = json.loads(said)["metadata"]
        found.setdefault((meta["namespace"], meta["name"]), []).append(meta["resourceVersion"])
    return found


@pytest.mark.parametrize("form", FORMS)
def test_our_own_events_jsonl(fake, mount, scratch, form):
    """What a mount has written is mounted elsewhere, with every revision in its logs again; and so is a namespace's."""
    fake.load(500, namespaces=3)
    live = mount(fake)
    sent = event("repeats")
    fake.create("default", sent)
    for i in range(2, 12):
        assert wait_for(lambda: json.loads(open(live.path("default/events/repeats"), "rb").read())["count"] == i - 1)  # noqa: B023
        sent["count"] = i
        fake.update("default", sent)
    fake.create("default", event("last"))
    assert wait_for(lambda: b'"last"' in open(live.path("default/events.jsonl"), "rb").read())
    for where in ("", "default"):
        said = open(live.path(where, "events.jsonl"), "rb").read()
        (scratch / "packed").write_bytes(pack(said, form))
        m = mount(source=f"file:{scratch}/packed")
        want = {k: c for k, (_, c) in live.events().items() if where in ("", k[0])}
        same(m.events(), want)
        again = revisions(open(m.path("events.jsonl"), "rb").read())
        assert again == revisions(said) and len(again["default", "repeats"]) == 11
        assert m.said() == ""


def test_revisions_are_told_apart_by_ctime(mount, scratch):
    (scratch / "events.jsonl").write_text("".join(single("a", i, i) for i in range(1, 50)) + single("b", 50, 50))
    m = mount(source=f"file:{scratch}/events.jsonl")
    assert os.stat(m.path("default/events/a")).st_ctime_ns % 10**9 == 49


@pytest.mark.parametrize("tool", TOOLS, ids=" ".join)
def test_compressed(mount, scratch, tool):
    """By content, not by name: a list, a recording and single Events; and several streams one behind the other."""
    events = [json.loads(single(f"n{i}", i + 1, message=f"{i * 7919:x}" * 50)) for i in range(3000)]
    lines = [json.dumps(e) + "\n" for e in events]
    texts = {"list": json.dumps({"kind": "List", "apiVersion": "v1", "items": events}), "watch": "".join(f'{{"type":"ADDED","object":{text[:-1]}}}\n' for text in lines), "events": "".join(lines)}
    (scratch / "plain").write_text(texts["events"])
    want = {k: c for k, (_, c) in mount(source=f"file:{scratch}/plain").events().items()}
    assert len(want) == 3000
    for name, text in texts.items():
        (scratch / name).write_bytes(pack(text, *tool))
        m = mount(source=f"file:{scratch}/{name}")
        same(m.events(), want)
        assert m.said() == ""
    (scratch / "two").write_bytes(pack("".join(lines[:1000]) + lines[1000][:50], *tool) + pack(lines[1000][50:] + "".join(lines[1001:]), *tool))
    same(mount(source=f"file:{scratch}/two").events(), want)


@pytest.mark.parametrize("form", FORMS)
def test_compressed_and_broken(refused, scratch, form):  # noqa: F811
    """One bit, or its end: what is wrong, and where in the file."""
    packed = pack("".join(single(f"n{i}", i + 1, message=f"{i * 7919:x}" * 20) for i in range(1000)), form)
    for where in (len(packed) // 2, len(packed) - 30):
        bad = bytearray(packed)
        bad[where] ^= 4
        (scratch / "bad").write_bytes(bad)
        one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: {form}, byte ")
    for length in (len(packed) - 1, len(packed) // 2, 20):
        (scratch / "bad").write_bytes(packed[:length])
        one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: {form}, byte {length}: broken off")
        one_line(refused(None, "replay=1", source=f"file:{scratch}/bad"), f"{scratch}/bad: {form}, byte {length}: broken off")
    (scratch / "bad").write_bytes(packed + b"\x1b[2J garbage")
    one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: {form}, byte ")


@pytest.mark.parametrize("form", FORMS)
def test_compressed_nonsense(refused, scratch, form):  # noqa: F811
    """What is in it is judged as if it were plain."""
    for text, words in (("", "empty"), ("x", "list, byte 0"), (single("a", 1) + "[]", "line 2 (byte "), (pack(single("a", 1), form), "list, byte 0")):
        (scratch / "bad").write_bytes(pack(text, form))
        one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: ", words)


def test_compressed_without_end(refused, scratch):  # noqa: F811
    """100 GiB of nothing, in 4 MB: that it is no dump is said without all of it."""
    one = subprocess.run("head -c 1G /dev/zero | zstd -q -1", shell=True, stdout=subprocess.PIPE, check=True).stdout
    (scratch / "bad").write_bytes(one * 100)
    begun = time.monotonic()
    one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: ", "expected '{'")
    assert time.monotonic() - begun < 5


def test_damage_far_behind_nonsense_is_not_looked_for(refused, scratch):  # noqa: F811
    """What is said is what was wrong first: the end, which is broken off, lies behind what is unpacked to find out."""
    one = subprocess.run("head -c 1G /dev/zero | zstd -q -1", shell=True, stdout=subprocess.PIPE, check=True).stdout
    for count, words in ((1, "broken off"), (3, "expected '{'")):
        (scratch / "bad").write_bytes((one * count)[:-10])
        one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: ", words)


def test_windows_that_are_too_large(refused, scratch):  # noqa: F811
    for tool in (["xz", "--lzma2=dict=512MiB"], ["zstd", "-q", "--ultra", "-22", "--long=31"]):
        (scratch / "large").write_bytes(pack(single("a", 1), *tool))
        one_line(refused(source=f"file:{scratch}/large"), f"{scratch}/large: {tool[0]}, byte ", "it needs more memory", "unpack it first")


@pytest.mark.brisk
@pytest.mark.parametrize("options", [[], ["replay=1000"]])
def test_a_bomb(session, mount, scratch, options):
    """Memory does not grow with what comes out: 300 MB of nothing."""
    run("sh", "-c", '{ printf %s "$1"; head -c 300000000 /dev/zero | tr "\\0" " "; printf %s "$1"; } | gzip -1 >"$2"', "-", single("a", 1), scratch / "bomb")
    m = mount(None, *options, source=f"file:{scratch}/bomb")
    play(m, {"a": "1"})
    if "asan" not in os.environ.get("KEVFS_BIN", "") and not session.wrapper:
        resident = next(int(row.split()[1]) for row in open(f"/proc/{m.pid()}/status", encoding="ascii") if row.startswith("VmHWM"))
        assert resident < 60000, resident


MIXED = [
    (single("a", 1) + line("ADDED", "b", 2), "line 2 (byte ", "no single Event, as those before it are: a line of a watch"),
    (single("a", 1) + '{"kind":"List","items":[]}\n', "line 2 (byte ", "no single Event, as those before it are: a list"),
    (line("ADDED", "a", 1) + single("b", 2), "line 2 (byte ", "no line of a watch"),
    ('{"kind":"List","items":[]}\n' + single("b", 2), "expected the end of the list", ""),
    (single("a", 1)[:-2] + "\n" + single("b", 2), "line 1 (byte 0): an object that never ends", ""),
    (single("a", 1) + "\x1b[2J", "line 2 (byte ", "expected '{'"),
    (single("a", 1)[:70], "line 1 (byte 0): the text is broken off", ""),
]


@pytest.mark.parametrize("text, words, more", MIXED, ids=["line-of-a-watch", "list", "in-a-recording", "behind-a-list", "bracket-missing", "garbage", "broken-off"])
def test_mixed_and_broken(refused, scratch, text, words, more):  # noqa: F811
    (scratch / "bad").write_text(text)
    one_line(refused(source=f"file:{scratch}/bad"), f"{scratch}/bad: ", words, more)


def test_what_is_left_out_is_told(mount, scratch):
    text = single("a", 1) + '{"kind":"Pod","metadata":{"name":"p\\u001b"}}\n' + '{"kind":"Event"}\n' + single("b", 2) + single("c", 3)[:80]
    (scratch / "events.jsonl").write_text(text)
    m = mount(source=f"file:{scratch}/events.jsonl")
    assert shown(m) == {"a": "1", "b": "2"}
    said = m.said()
    assert said.count("\n") == 3 and "\x1b" not in said, said
    assert "1 items that are no Events (the first is a Pod)" in said and "line 3: " in said and f"line 5 (byte {len(text) - 80}): broken off" in said


# Standard input

@contextlib.contextmanager
def piped(data, *tool):
    """The reading end of a pipe from that tool."""
    with subprocess.Popen([*(tool or ["cat"])], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        pid = os.fork()
        if pid == 0:  # who writes, while kevfs reads
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(data)
                process.stdin.flush()
            os._exit(0)
        process.stdin.close()
        yield process.stdout
        os.waitpid(pid, 0)


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("form", [None, "gzip"])
@pytest.mark.parametrize("options", [[], ["replay=1000"]])
def test_standard_input(mount, scratch, background, form, options):
    """Through a pipe, and of a file; of which the beginning may have been read already."""
    text = "".join(single(f"n{i}", i + 1, i, message="x" * 500) for i in range(1000)).encode()
    data = pack(text, form) if form else text
    names = {f"n{i}": str(i + 1) for i in range(1000)}
    with piped(data) as pipe:
        m = mount(None, *options, source="file:-", background=background, stdin=pipe)
    play(m, names, 20)
    (scratch / "file").write_bytes(b"a first line\n" + data)
    with open(scratch / "file", "rb", buffering=0) as file:
        file.seek(13)
        m = mount(None, *options, source="file:-", background=background, stdin=file)
    play(m, names, 20)
    assert m.said() == ""
    if not background or options:
        return
    # The daemon keeps nothing of it.
    assert os.readlink(f"/proc/{m.pid()}/fd/0") == "/dev/null"
    assert not any(os.readlink(f"/proc/{m.pid()}/fd/{fd}").startswith(str(scratch)) for fd in os.listdir(f"/proc/{m.pid()}/fd"))


def test_a_file_called_like_standard_input(session, mount):
    named = session.directory / "-"
    named.write_text(single("a", 1))
    try:
        assert shown(mount(source="file:./-")) == {"a": "1"}
    finally:
        named.unlink()  # to whoever mounts "-" there, a message would speak of it


def test_standard_input_that_is_no_use(refused, scratch):  # noqa: F811
    """A terminal would be waited for; fstab and systemd give nothing."""
    main, terminal = pty.openpty()
    try:
        start = time.monotonic()
        one_line(refused(source="file:-", stdin=terminal), "standard input: a terminal", "COMMAND | kevfs file:- MOUNTPOINT")
        one_line(refused(source=f"file:{os.ttyname(terminal)}"), f"{os.ttyname(terminal)}: a terminal")
        assert time.monotonic() - start < 20
    finally:
        os.close(main)
        os.close(terminal)
    one_line(refused(source="file:-"), "standard input: empty", "fstab or systemd")
    one_line(refused(None, "replay=1", source="file:-"), "standard input: empty")
    with piped(b"x") as pipe:
        one_line(refused(source="file:-", stdin=pipe), "standard input: ", "list, byte 0")


def test_a_closed_standard_input(session, scratch):
    point = session.new_directory("mnt")
    r = run("sh", "-c", 'exec "$1" file:- "$2" <&-', "-", session.binary, point, check=False, env=session.environment)
    assert r.returncode == 32 and b"standard input: empty" in r.stderr


def test_nowhere_to_keep_a_pipe(session, refused, scratch):  # noqa: F811
    if session.wrapper:
        pytest.skip("the wrapper wants a place for its own files, too")
    with piped(single("a", 1).encode()) as pipe:
        one_line(refused(None, "replay=1", source="file:-", stdin=pipe, environment={"TMPDIR": f"{scratch}/no-such"}), f"standard input: it is read more than once, and cannot be kept in {scratch}/no-such")


@pytest.mark.needs_root
def test_mount_8_hands_it_on(session, scratch):
    (scratch / "events.jsonl.zst").write_bytes(pack(single("a", 1), "zstd", "-q"))
    point = session.new_directory("mnt")
    with open(scratch / "events.jsonl.zst", "rb") as file:
        run("mount", "-t", "fuse.kevfs", "file:-", point, stdin=file, env=session.environment)
    try:
        assert os.listdir(point / "default/events") == ["a"]
    finally:
        run("umount", point)


# Played

def test_events_are_played_in_their_time(mount, scratch):
    """From nothing, each at its time, in the file's order; compressed as well."""
    lines = [single("a", 1, 0), single("b", 2, 300), single("a", 3, 600), single("c", 4, 500), single("b", 5, 900)]
    (scratch / "events.jsonl.gz").write_bytes(pack("".join(lines), "gzip"))
    start = time.monotonic()
    m = mount(None, "replay=300", source=f"file:{scratch}/events.jsonl.gz")
    states = [{}, {"a": "1"}, {"a": "1", "b": "2"}, {"a": "3", "b": "2"}, {"a": "3", "b": "2", "c": "4"}, {"a": "3", "b": "5", "c": "4"}]
    seen, times = [], []
    while not seen or seen[-1] != 5:
        now = shown(m)
        # Two looks that agree were in one state.
        if shown(m) == now and (not seen or states.index(now) != seen[-1]):
            seen.append(states.index(now))
            times.append(time.monotonic() - start)
        assert time.monotonic() - start < 30
        time.sleep(0.005)
    assert seen == sorted(seen)
    for state, seconds in ((2, 1), (4, 2), (5, 3)):
        assert times[next(i for i, s in enumerate(seen) if s >= state)] >= seconds, (seen, times)
    assert m.said() == ""


def test_what_was_mounted_is_played_to_the_same_end(fake, mount, scratch):
    """An hour of many events, as a dump and played: in the end it is the same."""
    fake.load(2000, namespaces=5)
    for _ in range(20):
        fake.create("default", event(new_name("web-1")))
    items = json.loads(fake.kubectl("get", "events", "-A", "-o", "json").stdout)["items"]
    items.sort(key=lambda i: i["lastTimestamp"] or i["eventTime"] or "")
    (scratch / "events.jsonl").write_text("".join(json.dumps(i, separators=(",", ":")) + "\n" for i in items))
    m = mount(None, "replay=100000", source=f"file:{scratch}/events.jsonl")
    want = fake.oracle()
    assert wait_for(lambda: len(m.files()) == len(want), 30, 0.2)
    same(m.events(), want)
