"""The command line, and what -o selects."""
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from events import event
from mounts import is_mounted
from servers import Fake, run, wait_for


def kevfs(session, *arguments, **keywords):
    return run(session.binary, *arguments, check=False, env=session.environment, **keywords)


def test_help(session):
    for flag in ("-h", "--help"):
        r = kevfs(session, flag)
        assert r.returncode == 0 and r.stderr == b"" and r.stdout.startswith(b"usage: kevfs ")
        for option in (b"namespace=", b"field_selector=", b"kubeconfig=", b"sync_timeout=", b"delay_sync", b"umask=", b"allow_other", b"log_level="):
            assert option in r.stdout


def test_version(session):
    for flag in ("-V", "--version"):
        r = kevfs(session, flag)
        assert r.returncode == 0 and re.match(rb"kevfs \d+\.\d+", r.stdout) and r.stderr == b""


@pytest.mark.parametrize("arguments", [
    [], ["-"], ["-", "/mnt", "more"], ["-x", "-", "/mnt"], ["--no-such", "-", "/mnt"], ["-o"], ["", "/mnt"], ["-", ""], ["-o", "no_such", "-", "/mnt"], ["-o", "no_such=1", "-", "/mnt"], ["-o", "namespace", "-", "/mnt"],
    ["-o", "namespace=", "-", "/mnt"], ["-o", "namespace=a/b", "-", "/mnt"], ["-o", "field_selector=x", "-", "/mnt"], ["-o", "delay_sync=1", "-", "/mnt"], ["-o", "uid=root", "-", "/mnt"], ["-o", "uid=-1", "-", "/mnt"],
    ["-o", "uid=99999999999", "-", "/mnt"], ["-o", "umask=8", "-", "/mnt"], ["-o", "umask=01000", "-", "/mnt"], ["-o", "sync_timeout=0", "-", "/mnt"], ["-o", "sync_timeout=1s", "-", "/mnt"], ["-o", "log_level=loud", "-", "/mnt"],
    ["-o", "kubeconfig=", "-", "/mnt"], ["-o", "ro,\x1b[2J,rw", "-", "/mnt"], ["-o", "x" * 70000, "-", "/mnt"],
])
def test_command_lines_that_make_no_sense(session, arguments):
    r = kevfs(session, *arguments)
    assert r.returncode == 1 and r.stdout == b"" and r.stderr.startswith(b"kevfs: ") and r.stderr.count(b"\n") == 1 and b"\x1b" not in r.stderr


def select(found, *keys):
    return {k for k in found if k[1] in keys}


@pytest.fixture
def selection(server):
    """Three namespaces, each with an event of every type and reason."""
    for namespace in ("sel-a", "sel-b", "sel-c"):
        server.namespace(namespace)
        for kind in ("Normal", "Warning"):
            for reason in ("One", "Two", "a,b", "a=b\\"):
                name = f"{kind}-{reason}".lower()
                if server.request("GET", f"/api/v1/namespaces/{namespace}/events/{name.replace(',', '%2C').replace('=', '%3D').replace(chr(92), '%5C')}")[0] == 404:
                    server.create(namespace, event(name, namespace, type=kind, reason=reason))
    return server


def chosen(m):
    return {k for k in m.events() if k[0].startswith("sel-")}


def test_namespace(selection, mount):
    m = mount(selection, "namespace=sel-a", "namespace=sel-b", "namespace=no-such")
    assert set(m.members()) - {"no-such"} == {"sel-a", "sel-b"}
    assert {k[0] for k in m.events()} == {"sel-a", "sel-b"} and len(m.events()) == 16
    selection.create("sel-b", event("later", "sel-b"))
    selection.create("sel-c", event("elsewhere", "sel-c"))
    assert wait_for(lambda: ("sel-b", "later") in m.events())
    assert set(m.members()) - {"no-such"} == {"sel-a", "sel-b"}
    for namespace, name in (("sel-b", "later"), ("sel-c", "elsewhere")):
        selection.delete(namespace, name)
    if isinstance(selection, Fake):  # nobody else's were asked for
        assert {r["namespace"] for r in selection.requests(resource="events") if r["agent"].startswith("kevfs/")} <= {"sel-a", "sel-b", "no-such"}
        assert {r["namespace"] for r in selection.requests(resource="pods") if r["agent"].startswith("kevfs/")} <= {"sel-a", "sel-b", "no-such"}


@pytest.mark.parametrize("options, wanted", [
    (["field_selector=type=Warning"], lambda kind, reason: kind == "warning"),
    (["field_selector=type=Warning", "field_selector=reason!=Two"], lambda kind, reason: kind == "warning" and reason != "two"),
    (["field_selector=type=Warning\\,reason=One"], lambda kind, reason: (kind, reason) == ("warning", "one")),
    (["field_selector=reason=a\\\\\\,b"], lambda kind, reason: reason == "a,b"),
    (["field_selector=reason=a\\\\=b\\\\\\\\"], lambda kind, reason: reason == "a=b\\"),
    (["field_selector=metadata.namespace=sel-b", "field_selector=reason=One"], None),
    (["namespace=sel-b", "field_selector=reason==One", "namespace=sel-c"], None),
])
def test_field_selector(selection, mount, options, wanted):
    m = mount(selection, *options)
    found = chosen(m)
    if wanted:
        assert found == {(ns, name) for ns in ("sel-a", "sel-b", "sel-c") for name in [n for k, n in selection.events() if k == ns] if wanted(*name.split("-", 1))}
    else:
        spaces = {"sel-b", "sel-c"} if "namespace=sel-b" in options else {"sel-b"}
        assert found == {(ns, f"{kind}-one") for ns in spaces for kind in ("normal", "warning")}
    assert len(found) >= 2


def test_field_selector_follows_changes(fake, mount):
    """An update may make an event match, or match no more."""
    m = mount(fake, "field_selector=type=Warning")
    fake.create("default", event("e"))
    fake.create("default", event("w", type="Warning"))
    assert wait_for(lambda: os.listdir(m.path("default/events")) == ["w"])
    fake.update("default", event("e", type="Warning"))
    assert wait_for(lambda: sorted(os.listdir(m.path("default/events"))) == ["e", "w"])
    fake.update("default", event("w"))
    assert wait_for(lambda: os.listdir(m.path("default/events")) == ["e"])


def test_selector_that_the_server_refuses(server, mount):
    m = mount(server, "field_selector=no.such=1", refused=True)
    assert m.returncode == 32 and "field label not supported: no.such" in m.said() and not is_mounted(m.dir)


def test_contexts_with_any_characters(fake, mount, scratch):
    """Whatever is no other form of SOURCE is the name of a context."""
    for name in ("arn:aws:eks:eu-1:1:cluster/x", "a b", "kind-é", "-x", "file", "x,y=z\\", "https:/x", "it's", "a\tb"):
        config = json.loads(fake.kubectl("config", "view", "--raw", "-o", "json").stdout)
        config["contexts"] = [{"name": name, "context": config["contexts"][0]["context"]}]
        config["current-context"] = "other"
        config["contexts"][0]["context"] = {"cluster": "fake", "user": "fake"}
        (scratch / "config").write_text(json.dumps(config))
        m = mount(None, kubeconfig=str(scratch / "config"), source=name, arguments=["--"] if name.startswith("-") else [])
        assert "default" in os.listdir(m.dir)
        m.close()


@pytest.mark.parametrize("context", ["-", "fake", "token", "plain"])
def test_contexts_of_the_kubeconfig(fake, mount, context):
    """By client certificate, by token, and over plain http."""
    fake.create("default", event("one"))
    m = mount(fake, source=context)
    assert len(m.files()) == 1
    users = {r["user"] for r in fake.requests(resource="events", verb="watch")} or {r["user"] for r in fake.requests(resource="events")}
    assert users == {{"token": "system:serviceaccount:default:fake-token-1", "plain": "system:anonymous"}.get(context, "fake-admin")}


def test_plain_url(fake, mount):
    fake.create("default", event("one"))
    m = mount(source=fake.plain)
    assert len(m.files()) == 1
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)


def test_kubeconfig_option_beats_the_environment(fake, start_fake, mount):
    other = start_fake()
    other.create("default", event("other"))
    fake.create("default", event("this"))
    m = mount(None, f"kubeconfig={other.kubeconfig}", kubeconfig=fake.kubeconfig)
    assert os.listdir(m.path("default/events")) == ["other"]


def test_kubeconfigs_merge(fake, start_fake, mount, scratch):
    """The first file that says something of a name wins; missing files are skipped."""
    other = start_fake()
    other.create("default", event("other"))
    fake.create("default", event("this"))
    m = mount(kubeconfig=f"{scratch}/no-such:{other.kubeconfig}:{fake.kubeconfig}")
    assert os.listdir(m.path("default/events")) == ["other"]


def test_home_kubeconfig(fake, mount, scratch):
    (scratch / ".kube").mkdir()
    (scratch / ".kube/config").write_text(open(fake.kubeconfig, encoding="utf-8").read())
    assert "default" in os.listdir(mount(environment={"HOME": str(scratch)}).dir)


def test_token_file_that_rotates(fake, mount, scratch):
    """The file is read again when the server says 401, and the tree is served meanwhile."""
    (scratch / "token").write_text("fake-token-1\n")
    config = json.loads(fake.kubectl("config", "view", "--raw", "-o", "json").stdout)
    config["users"] = [{"name": "fake", "user": {"tokenFile": "token"}}]  # relative to the kubeconfig
    (scratch / "config").write_text(json.dumps(config))
    fake.create("default", event("one"))
    m = mount(kubeconfig=str(scratch / "config"))
    fake.order("config", tokens=["second"])
    fake.order("drop")
    (scratch / "token").write_text("second\n")
    fake.create("default", event("two"))
    assert wait_for(lambda: sorted(os.listdir(m.path("default/events"))) == ["one", "two"], 20)


@pytest.mark.parametrize("form", ["kubectl", "api"])
def test_dump(server, mount, scratch, form):
    """What kubectl printed, or the API's own list, without any network: the same tree as the server's."""
    live = mount(server)
    said = server.kubectl("get", "events", "-A", "-o", "json").stdout if form == "kubectl" else server.request("GET", "/api/v1/events")[2]
    (scratch / "dump.json").write_bytes(said)
    m = mount(source=f"file:{scratch}/dump.json")
    (scratch / "dump.json").unlink()
    items = {(i["metadata"]["namespace"], i["metadata"]["name"]): i["metadata"]["resourceVersion"] for i in json.loads(said)["items"]}
    found, current = m.events(), live.events()
    assert {k: json.loads(content)["metadata"]["resourceVersion"] for k, (_, content) in found.items()} == items
    same = [k for k in found if k in current and json.loads(current[k][1])["metadata"]["resourceVersion"] == items[k]]
    assert len(same) > 2000
    for k in same:
        assert found[k][1] == current[k][1]
        if b"/Gadget" not in found[k][0] and b".example.com/" not in current[k][0]:  # a dump knows no CRDs
            assert found[k][0][len(m.dir):] == current[k][0][len(live.dir):]


def test_dump_from_a_pipe(session, fake, scratch):
    """file:<(command), which has no path but /dev/fd/N."""
    fake.create("default", event("one"))
    (scratch / "dump.json").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    point = session.new_directory("mnt")
    run("bash", "-c", f"{session.binary} file:<(cat {scratch}/dump.json) {point}", env=session.environment)
    try:
        assert os.listdir(point / "default/events") == ["one"]
    finally:
        run("umount", point)


def test_dump_of_some_namespaces(server, mount, scratch):
    (scratch / "dump.json").write_bytes(server.kubectl("get", "events", "-A", "-o", "json").stdout)
    m = mount(None, "namespace=default", "namespace=none-such", source=f"file:{scratch}/dump.json")
    assert m.members() == ["default", "none-such"]
    assert {ns for ns, _ in m.events()} == {"default"}


def test_dump_in_a_relative_path(session, server, mount):
    if not isinstance(server, Fake):
        pytest.skip("once is enough")
    (session.directory / "rel.json").write_bytes(server.kubectl("get", "events", "-A", "-o", "json").stdout)
    m = mount(source="file:rel.json", background=True)
    assert len(m.files()) > 2000


def test_log_levels(fake, mount):
    quiet = mount(fake, "log_level=error")
    loud = mount(fake, "log_level=debug")
    for m in (quiet, loud):
        m.close()
    assert quiet.said() == "" and loud.said().count("\n") > 3


def test_debug(fake, mount):
    m = mount(fake, arguments=["-d"], background=False)
    os.listdir(m.dir)
    assert "READDIR" in m.said()


def test_single_threaded(fake, mount):
    fake.load(200)
    m = mount(fake, arguments=["-s"])
    assert len(m.files()) == 200
    fake.create("default", event())
    assert wait_for(lambda: len(m.files()) == 201)


def test_progress_on_a_terminal(session, fake):
    """A long sync shows how far it is, where standard error is a terminal, and leaves no trace of it."""
    fake.load(20000, namespaces=4)
    point = session.new_directory("mnt")
    master, slave = pty.openpty()
    with fake.fault("stall", verb="list", resource="events", page=2, seconds=0.5):
        p = subprocess.Popen([session.binary, "-", point], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
        assert p.wait(30) == 0
    os.close(slave)
    said = b""
    try:
        while piece := os.read(master, 65536):
            said += piece
    except OSError:  # all slaves are closed
        pass
    os.close(master)
    run("umount", point)
    assert re.search(rb"\d+ of about 20000 events", said), said
    assert said.endswith(b"\r\x1b[K")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("arguments", [[], ["-s"]])
def test_signals_unmount(fake, mount, number, arguments):
    fake.create("default", event())
    m = mount(fake, arguments=arguments)
    assert len(m.files()) == 1
    os.kill(m.pid(), number)
    assert m.wait_end(5) == 0 and not is_mounted(m.dir)


def test_signal_with_an_open_file(fake, mount):
    """Who reads must not keep it alive."""
    fake.create("default", event("held"))
    m = mount(fake)
    held = os.open(m.path("default/pods/web-1/events/held"), os.O_RDONLY)
    os.kill(m.pid(), signal.SIGTERM)
    assert wait_for(lambda: not is_mounted(m.dir), 5)
    with contextlib.suppress(OSError):  # nobody answers the flush any more
        os.close(held)
    assert m.wait_end(10) == 0


def test_unmount(fake, mount):
    for command in (["umount"], ["fusermount3", "-u"], ["umount", "-l"]):
        m = mount(fake, background=True)
        run(*command, m.dir)
        m.wait_end(5)
        assert not is_mounted(m.dir)


def test_background(fake, mount):
    """It leaves the terminal, the directory and the descriptors behind."""
    fake.create("default", event("one"))
    m = mount(fake, background=True)
    pid = m.pid()
    assert m.said() == "" and os.readlink(f"/proc/{pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    assert int(fields[3]) != os.getsid(0) and fields[4] == "0"  # a session of its own, no terminal
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)


def test_it_is_fast(fake, mount):
    """Not a benchmark: it fails where something waits that need not."""
    m = mount(fake)
    assert m.seconds < 5
    start = time.monotonic()
    m.close()
    assert time.monotonic() - start < 5
