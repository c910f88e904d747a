"""Who else reads a mount: mappings, sendfile and its like, bind mounts, other mount namespaces, Samba, SFTP; and what a watcher and the
holder of a file handle get. What is said of them in kevfs(8), OTHER CLIENTS, is tested here."""
import collections
import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import threading
import time

import pytest

from events import event, new_name
from servers import run, wait_for

SFTP_SERVER = "/usr/lib/openssh/sftp-server"

libc = ctypes.CDLL(None, use_errno=True)
needs_root = pytest.mark.needs_root


def checked(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def read(path):
    with open(path, "rb") as f:
        return f.read()


def sample(m, count=30):
    """{path: content} of some files of a mount, the largest among them."""
    files = sorted(m.files(), key=os.path.getsize)
    return {p: read(p) for p in files[::max(1, len(files) // count)] + files[-1:]}


# One descriptor


def resident(mapping):
    """How many pages of a private mapping's file the kernel holds."""
    pages = (len(mapping) + mmap.PAGESIZE - 1) // mmap.PAGESIZE
    found = (ctypes.c_ubyte * pages)()
    view = (ctypes.c_char * len(mapping)).from_buffer(mapping)
    try:
        checked(libc.mincore(ctypes.c_void_p(ctypes.addressof(view)), ctypes.c_size_t(len(mapping)), found), "mincore")
    finally:
        del view
    return sum(b & 1 for b in found)


def test_a_mapping_keeps_its_revision_when_memory_is_short(fake, mount):
    """The event is updated and deleted, and the kernel drops the pages: they come again from kevfs, as they were."""
    sent = event("mapped", message="first " * 20000)
    fake.create("default", sent)
    m = mount(fake)
    path = m.path("default/events/mapped")
    first = read(path)
    with open(path, "rb", buffering=0) as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY) as mapping:
        assert mapping[:] == first and resident(mapping) > 20
        sent["message"] = "second"
        fake.update("default", sent)
        assert wait_for(lambda: b"second" in read(path))
        for gone in (False, True):
            if gone:
                fake.delete("default", "mapped")
                assert wait_for(lambda: not os.path.exists(path))
            mapping.madvise(mmap.MADV_DONTNEED)
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            assert resident(mapping) == 0
            assert mapping[:] == first and os.pread(f.fileno(), len(first) + 1, 0) == first
        mapping[:5] = b"mine!"  # private: nobody's but ours
        assert os.pread(f.fileno(), 5, 0) == first[:5]


def test_a_mapping_that_would_write(fake, mount):
    fake.create("default", event("one"))
    with open(mount(fake).path("default/events/one"), "rb") as f, pytest.raises(PermissionError):
        mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_WRITE)


def send(source, chunk):
    """What sendfile(2) moves into a socket."""
    a, b = socket.socketpair()
    got = []

    def receive():
        while piece := b.recv(1 << 16):
            got.append(piece)
    reader = threading.Thread(target=receive)
    reader.start()
    offset = 0
    while moved := os.sendfile(a.fileno(), source, offset, chunk):
        offset += moved
    a.close()
    reader.join()
    b.close()
    return b"".join(got)


def splice(source, chunk):
    """The same through a pipe."""
    r, w = os.pipe()
    got = b""
    while moved := os.splice(source, w, chunk, offset_src=len(got)):
        got += os.read(r, moved)
    os.close(r)
    os.close(w)
    return got


def test_sendfile_and_its_like(server, mount, scratch):
    """Each way to copy without read(2) gives the same bytes."""
    if server.name == "fake":
        server.create("default", event("large", message="0123456789" * 100000))
    m = mount(server)
    files = sample(m)
    assert max(map(len, files.values())) > (1000000 if server.name == "fake" else 70000)
    out = str(scratch / "out")
    commands = [["cp", "--reflink=auto"], ["cp", "--sparse=always"], ["dd", "bs=64k", "iflag=direct", "status=none"], ["rsync", "--inplace"], ["install", "-m", "600"]]
    for path, content in files.items():
        with open(path, "rb", buffering=0) as f:
            for way in (send, splice):
                for chunk in (1 << 20, 1000 if len(content) < 100000 else 50000):
                    assert way(f.fileno(), chunk) == content, (way, chunk, path)
            assert os.sendfile(1, f.fileno(), len(content), 10) == 0
        for command in commands:
            subprocess.run([*command, *([b"if=" + path, "of=" + out] if command[0] == "dd" else [path, out])], check=True, stdin=subprocess.DEVNULL)
            assert read(out) == content, (command, path)
            os.unlink(out)


def test_copy_file_range(fake, mount, scratch):
    """Where the kernel does it between two filesystems it is exact, and elsewhere refused, so that cp(1) reads instead."""
    fake.create("default", event("one", message="x" * 300000))
    m = mount(fake)
    path = m.path("default/events/one")
    with open(path, "rb") as source, open(scratch / "out", "wb") as target:
        try:
            while os.copy_file_range(source.fileno(), target.fileno(), 1 << 20):
                pass
        except OSError as e:
            assert e.errno in (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL) and os.path.getsize(scratch / "out") == 0
        else:
            assert read(scratch / "out") == read(path)


def test_sendfile_goes_on_with_its_revision(fake, mount):
    """What was begun is finished with the bytes that were there when the file was opened."""
    sent = event("one", message="first " * 50000)
    fake.create("default", sent)
    m = mount(fake)
    path = m.path("default/events/one")
    first = read(path)
    with open(path, "rb") as f:
        half = len(first) // 2
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        a, b = socket.socketpair()
        with a, b:
            begun = os.sendfile(a.fileno(), f.fileno(), 0, 1000)
            assert b.recv(begun, socket.MSG_WAITALL) == first[:begun]
        sent["message"] = "second"
        fake.update("default", sent)
        assert wait_for(lambda: b"second" in read(path))
        assert send(f.fileno(), half) == first
        fake.delete("default", "one")
        assert wait_for(lambda: not os.path.exists(path))
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert send(f.fileno(), half) == first


# Mounts of a mount


@contextlib.contextmanager
def bound(session, source):
    """A bind mount of source, on a directory of its own."""
    point = session.new_directory("bind")
    run("mount", "--bind", source, point)
    try:
        yield str(point)
    finally:
        run("umount", "-l", point, check=False)
        point.rmdir()


def follows(server, namespace, see):
    """Asserts that an event's life is seen: see() gives {name: content} of the namespace's events about web-1."""
    sent = event(new_name(), namespace)
    name = sent["metadata"]["name"]
    assert name not in see()
    server.create(namespace, sent)
    assert wait_for(lambda: b"a message" in see().get(name, b""))
    sent["message"] = "another, longer message"
    server.update(namespace, sent)
    assert wait_for(lambda: b"another, longer message" in see().get(name, b""))
    server.delete(namespace, name)
    assert wait_for(lambda: name not in see())


def contents(directory):
    """{name: content} of what is in a directory, as it is now; nothing where there is none."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                found[name] = read(f"{directory}/{name}")
    return found


@needs_root
def test_a_bind_mount_of_a_namespace(session, server, mount):
    """It is live. The links in it lead out of it, so what they point at is bound as well."""
    home = server.namespace("bound")
    server.pod(home, "web-1")
    m = mount(server)
    assert wait_for(lambda: os.path.isdir(m.path(home, "pods/web-1")))
    with bound(session, m.path(home)) as one, bound(session, m.path(".kevfs/namespaces", home)) as flat:
        follows(server, home, lambda: contents(f"{one}/pods/web-1/events"))
        follows(server, home, lambda: contents(f"{flat}/events"))
        assert [n for n in os.listdir(one) if os.path.exists(f"{one}/{n}")] == ["pods"] and "events" in os.listdir(one)
        for log in (f"{one}/pods/web-1/events.log", f"{flat}/events.log"):
            assert wait_for(lambda: read(log).count(b"another, longer message\n") == 2)
        with pytest.raises(OSError, match="Read-only"):
            open(f"{one}/pods/x", "w", encoding="utf-8")


@needs_root
def test_a_bind_mount_of_a_namespace_that_comes_again(session, fake, mount):
    fake.create(fake.namespace("again"), event("one", "again"))
    m = mount(fake)
    with bound(session, m.path("again")) as point:
        assert list(contents(f"{point}/pods/web-1/events")) == ["one"]
        fake.delete_namespace("again")
        assert wait_for(lambda: not os.path.exists(m.path("again")))
        assert not os.path.exists(f"{point}/pods")
        fake.create(fake.namespace("again"), event("two", "again"))
        assert wait_for(lambda: os.path.exists(m.path("again/pods/web-1/events/two")))
        assert wait_for(lambda: list(contents(f"{point}/pods/web-1/events")) == ["two"])
        follows(fake, "again", lambda: contents(f"{point}/pods/web-1/events"))


@needs_root
def test_kevfs_ends_with_its_last_mount(session, fake, mount):
    """A bind mount is a mount like the first one."""
    m = mount(fake)
    with bound(session, m.path("default")) as point:
        run("umount", m.dir)
        follows(fake, "default", lambda: contents(f"{point}/pods/web-1/events"))
        assert m.process.poll() is None
    assert m.wait_end() == 0


@needs_root
def test_a_signal_leaves_the_next_mount_alone(session, fake, mount):
    """A container or a bind mount keeps the first one alive, a second is mounted in its place, and then the first is ended."""
    fake.create("default", event("one"))
    first = mount(fake)
    pid = first.pid()
    with bound(session, first.path("default")) as point:
        run("umount", first.dir)
        second = mount(fake, directory=first.dir)
        os.kill(pid, signal.SIGTERM)
        assert first.wait_end() == 0 and "another mount" in first.said()
        with pytest.raises(OSError) as e:
            os.listdir(point)
        assert e.value.errno == errno.ENOTCONN
    assert second.process.poll() is None and contents(second.path("default/pods/web-1/events")).keys() == {"one"}
    os.kill(second.pid(), signal.SIGTERM)
    assert second.wait_end() == 0 and not os.path.ismount(second.dir)


@needs_root
def test_a_signal_leaves_what_is_mounted_over_it(fake, mount):
    m = mount(fake)
    run("mount", "-t", "tmpfs", "none", m.dir)
    try:
        pathlib.Path(m.path("there")).touch()
        os.kill(m.pid(), signal.SIGTERM)
        assert m.wait_end() == 0
        assert os.listdir(m.dir) == ["there"]
    finally:
        run("umount", m.dir)
    with pytest.raises(OSError) as e:
        os.listdir(m.dir)
    assert e.value.errno == errno.ENOTCONN
    run("umount", m.dir)


@contextlib.contextmanager
def elsewhere():
    """Another mount namespace, into which this one's mounts propagate, and never back: a function that runs a command there."""
    keeper = subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        keeper.stdin.write(b"there\n")
        keeper.stdin.flush()
        assert keeper.stdout.readline() == b"there\n"
        yield lambda *command, **keywords: run("nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt", *command, **keywords)
    finally:
        keeper.stdin.close()
        keeper.wait(10)
        keeper.stdout.close()


def contents_there(inside, directory):
    """The same as contents(), as tools print it there."""
    names = inside("ls", directory, check=False).stdout.decode().splitlines()
    found = {n: inside("cat", f"{directory}/{n}", check=False) for n in names}
    return {n: r.stdout for n, r in found.items() if r.returncode == 0}


def is_mounted_there(inside, point):
    return inside("mountpoint", "-q", point, check=False).returncode == 0


@needs_root
def test_another_mount_namespace(server, mount):
    """As a container that starts while kevfs is mounted: it has a mount of its own, which is live and ends alone."""
    home = server.namespace("there")
    server.pod(home, "web-1")
    m = mount(server)
    assert wait_for(lambda: os.path.isdir(m.path(home, "pods/web-1")))
    with elsewhere() as inside:
        follows(server, home, lambda: contents_there(inside, m.path(home, "pods/web-1/events")))
        assert wait_for(lambda: b"another, longer message\n" in inside("cat", m.path(home, "events.log")).stdout)
        inside("umount", m.dir)
        assert not is_mounted_there(inside, m.dir)
        assert m.process.poll() is None
        follows(server, home, lambda: contents(m.path(home, "pods/web-1/events")))


@needs_root
def test_another_mount_namespace_that_has_the_last_mount(fake, mount):
    m = mount(fake)
    with elsewhere() as inside:
        run("umount", m.dir)
        assert is_mounted_there(inside, m.dir) and m.process.poll() is None
        follows(fake, "default", lambda: contents_there(inside, m.path("default/pods/web-1/events")))
    assert m.wait_end() == 0


@needs_root
def test_a_signal_ends_it_in_every_mount_namespace(fake, mount):
    m = mount(fake)
    with elsewhere() as inside:
        os.kill(m.pid(), signal.SIGTERM)
        assert m.wait_end() == 0
        assert not os.path.ismount(m.dir)
        r = inside("ls", m.dir, check=False)
        assert r.returncode and b"not connected" in r.stderr
        inside("umount", m.dir)


@needs_root
@pytest.mark.parametrize("first", ["there", "here"])
def test_a_mount_that_propagates(session, server, mount, first):
    """As into a container that was there before, over a shared directory; unmounted there first, or here."""
    home = server.namespace(f"propagated-{first}")
    server.pod(home, "web-1")
    base = session.new_directory("mnt")
    point = base / "k8s"
    point.mkdir()
    run("mount", "--bind", base, base)
    try:
        run("mount", "--make-shared", base)
        with elsewhere() as inside:
            assert not is_mounted_there(inside, point)
            m = mount(server, directory=point)
            assert is_mounted_there(inside, point)
            follows(server, home, lambda: contents_there(inside, f"{point}/{home}/pods/web-1/events"))
            if first == "there":
                inside("umount", point)
                assert not is_mounted_there(inside, point) and m.process.poll() is None
                follows(server, home, lambda: contents(f"{point}/{home}/pods/web-1/events"))
            run("umount", point)
            assert m.wait_end() == 0
            assert not is_mounted_there(inside, point)
    finally:
        run("umount", "-l", base, check=False)


# Other machines, by path


class Conversation:
    """A client that takes commands from a pipe, one at a time: it and its server live on between them, with all that they remember."""

    def __init__(self, command):
        self.process = subprocess.Popen(["stdbuf", "-oL", *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def say(self, line, end):
        """What the client answers, up to where it matches end."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        said = b""
        while not re.search(end, said):
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            assert piece, f"{line}: the client ended: {said}"
            said += piece
        return said

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


@contextlib.contextmanager
def conversation(command):
    talk = Conversation(command)
    try:
        yield talk
    finally:
        talk.close()


def is_live(server, namespace, names, get, log):
    """Asserts that a client with an open session sees an event's life, and soon: names() lists an object's events, get() reads one of
    them, log() the namespace's events.log."""
    sent = event(new_name(), namespace)
    name = sent["metadata"]["name"]
    assert name not in names()
    server.create(namespace, sent)
    start = time.monotonic()
    assert wait_for(lambda: name in names(), 10, 0.002)
    assert b"a message" in get(name)
    sent["message"] = "another, longer message"
    server.update(namespace, sent)
    assert wait_for(lambda: b"another, longer message" in get(name), 10, 0.002)
    server.delete(namespace, name)
    assert wait_for(lambda: name not in names(), 10, 0.002)
    assert wait_for(lambda: b"another, longer message\n" in log(), 10, 0.002)
    # Nothing in between keeps anything: some milliseconds. But machines can be busy.
    assert time.monotonic() - start < 5


class Samba:
    """A private smbd that shares a directory with everyone, on a port of this machine only."""

    SETTINGS = ["server role = standalone server", "interfaces = lo", "bind interfaces only = yes", "disable netbios = yes", "disable spoolss = yes", "load printers = no", "printing = bsd", "printcap name = /dev/null",
                "usershare path =", "map to guest = Bad User", "guest account = root", "oplocks = no"]

    def __init__(self, directory, path):
        self.directory = directory
        # Bound but not listening, it keeps the port from others, and leaves it to smbd, which reuses addresses as well.
        self.port = socket.socket()
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.port.bind(("127.0.0.1", 0))
        number = self.port.getsockname()[1]
        (directory / "rpc").mkdir()
        lines = [*self.SETTINGS, f"smb ports = {number}", f"ncalrpc dir = {directory}/rpc", f"log file = {directory}/log.%m"]
        lines += [f"{what} = {directory}" for what in ("private dir", "state directory", "lock directory", "cache directory", "pid directory")]
        lines += ["[k8s]", f"path = {path}", "guest ok = yes", "read only = no"]
        self.config = directory / "smb.conf"
        self.config.write_text("[global]\n" + "\n".join(lines) + "\n")
        self.client = ["smbclient", "--no-pass", "--configfile", self.config, "--port", str(number), "//127.0.0.1/k8s"]
        self.out = open(directory / "out", "wb")
        # In the foreground, with its children in a process group of its own, which it ends with it; and it ends with this process.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "smbd", "--foreground", "--configfile", str(self.config), "--debug-stdout"], stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out)

    def wait_up(self):
        up = wait_for(lambda: self.process.poll() is not None or self.run("quit").returncode == 0, 30, 0.1)
        assert up and self.process.poll() is None, read(self.directory / "out").decode(errors="replace")[-2000:]

    def run(self, *commands, **keywords):
        return run(*self.client, "-c", ";".join(commands), check=False, **keywords)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.port.close()


@pytest.fixture
def share(scratch):
    """Starts a private smbd: share(mount)."""
    missing = [p for p in ("smbd", "smbclient") if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        pytest.skip(f"no {missing[0]} here")
    with contextlib.ExitStack() as stack:
        def start(m):
            samba = Samba(pathlib.Path(scratch), m.dir)
            stack.callback(samba.close)
            samba.wait_up()
            return samba
        yield start


def downloaded(directory):
    """The contents of all events below a directory, as often as they are there. (The logs do not begin as kubectl prints.)"""
    paths = [os.path.join(d, n) for d, _, names in os.walk(os.fsencode(directory)) for n in names]
    return collections.Counter(c for c in (read(p) for p in paths if stat.S_ISREG(os.lstat(p).st_mode)) if c.startswith(b"{\n"))


def while_nothing_changes(m, take):
    """What take() returns, and {(namespace, name): (path, content)} of the events that were there all along: real components go on writing."""
    for _ in range(20):
        before, taken = m.events(), take()
        if m.events() == before:
            return taken, before
    return pytest.fail("it changes all the time")


@needs_root
def test_samba_lists_and_reads(server, mount, share, scratch):
    """Byte for byte, also what has names that Windows does not know: Samba makes up others, but 4.22 then refuses those that stand for
    a wildcard. Links are followed on the server, so each event is met twice, if views are left out."""
    m = mount(server)
    samba = share(m)

    def take():
        shutil.rmtree(scratch / "got", ignore_errors=True)
        (scratch / "got").mkdir()
        r = samba.run(f"lcd {scratch}/got", "cd default", "recurse on", "prompt off", "mget *", timeout=120)
        for view in (scratch / "got").glob("by-*"):
            shutil.rmtree(view)
        return downloaded(scratch / "got"), [line for line in r.stdout.splitlines() if b"NT_STATUS" in line]
    (got, refused), events = while_nothing_changes(m, take)
    wild, least, most = re.compile(rb'[*?<>"]'), collections.Counter(), collections.Counter()
    for (namespace, _), (path, content) in events.items():
        if namespace == "default":
            places = [os.path.relpath(path, os.fsencode(m.dir)), os.path.basename(path)]
            most[content] += len(places)
            least[content] += sum(not wild.search(p) for p in places)
    assert sum(least.values()) > 200 and least <= got <= most, refused


@needs_root
def test_samba_is_live(server, mount, share, scratch):
    home = server.namespace("smb")
    server.pod(home, "web-1")
    m = mount(server)
    assert wait_for(lambda: os.path.isdir(m.path(home, "pods/web-1")))
    with conversation(share(m).client) as talk:
        def names():
            return [line.split()[0].decode() for line in talk.say(rf"ls {home}\pods\web-1\events\*", rb"blocks available|NT_STATUS_\w+").splitlines() if re.search(rb" N +\d+ ", line)]

        def get(path):
            (scratch / "file").unlink(missing_ok=True)
            talk.say(rf"get {home}\{path} {scratch}/file", rb"KiloBytes/sec\)\s+\(average|NT_STATUS_\w+")
            return read(scratch / "file")
        is_live(server, home, names, lambda name: get(rf"pods\web-1\events\{name}"), lambda: get("events.log"))


@needs_root
def test_samba_may_not_write(fake, mount, share, scratch):
    """To a share that is not read-only, kevfs says it."""
    fake.create("default", event("one"))
    m = mount(fake)
    samba, before = share(m), m.tree()
    (scratch / "new").write_text("new")
    for command in (f"put {scratch}/new default\\new", f"put {scratch}/new default\\events\\one", r"del default\events\one", r"mkdir default\new", r"rename default\events\one default\events\two"):
        r = samba.run(command)
        assert b"NT_STATUS_MEDIA_WRITE_PROTECTED" in r.stdout + r.stderr, (command, r)
    assert m.tree() == before and b'"one"' in read(m.path("default/events/one"))


@pytest.fixture
def sftp():
    """The command that talks to a server of its own, started by the client in place of ssh."""
    if not os.access(SFTP_SERVER, os.X_OK):
        pytest.skip(f"no {SFTP_SERVER} here")
    return ["sftp", "-q", "-b", "-", "-D", SFTP_SERVER]


def test_sftp_lists_and_reads(server, mount, sftp, scratch):
    """The link is not followed in a recursive get, so each event is met once; named, it is."""
    m = mount(server)
    places = {"default": scratch / "default", "shop": scratch / "shop"}

    def take():
        for place in places.values():
            shutil.rmtree(place, ignore_errors=True)
        places["shop"].mkdir()
        run(*sftp, input=f"get -r {m.path('default')} {places['default']}\nget {m.path('shop/events')}/* {places['shop']}/\n".encode(), timeout=120)
        run("chmod", "-R", "u+w", *places.values())  # as nobody may write where the copies come from
        return {namespace: downloaded(place) for namespace, place in places.items()}
    got, events = while_nothing_changes(m, take)
    want = {place: collections.Counter(content for (namespace, _), (_, content) in events.items() if namespace == place) for place in places}
    assert sum(want["default"].values()) > 100 and want["shop"] and got == want


def test_sftp_is_live(server, mount, sftp, scratch):
    home = server.namespace("sftp")
    server.pod(home, "web-1")
    m = mount(server)
    folder = m.path(home, "pods/web-1/events")
    assert wait_for(lambda: os.path.isdir(os.path.dirname(folder)))
    with conversation(sftp) as talk:
        def do(command):
            # Without the @, the command is echoed; with the -, it may fail.
            return talk.say(f"-@{command}\n@!echo =done=", rb"=done=\n")

        def names():
            return [os.path.basename(line).decode() for line in do(f"ls -1 {folder}").splitlines() if line.startswith(folder.encode())]

        def get(path):
            (scratch / "file").unlink(missing_ok=True)
            do(f"get {path} {scratch}/file")
            return read(scratch / "file")
        is_live(server, home, names, lambda name: get(f"{folder}/{name}"), lambda: get(m.path(home, "events.log")))


def test_sftp_may_not_write(fake, mount, sftp, scratch):
    fake.create("default", event("one"))
    m = mount(fake)
    before, one = m.tree(), m.path("default/events/one")
    (scratch / "new").write_text("new")
    for command in (f"put {scratch}/new {m.dir}/new", f"put {scratch}/new {one}", f"rm {one}", f"mkdir {m.dir}/new", f"rename {one} {one}2", f"ln -s x {m.dir}/new", f"chmod 600 {one}"):
        r = run(*sftp, input=command.encode() + b"\n", check=False)
        assert r.returncode == 1 and r.stderr, (command, r)
    assert m.tree() == before and b'"one"' in read(one)


# What is not there


class Watcher:
    """An inotify instance that waits for everything."""
    OPEN, ACCESS, CLOSE, UNMOUNT, IGNORED, ISDIR = 0x20, 0x1, 0x10, 0x2000, 0x8000, 0x40000000
    READS = OPEN | ACCESS | CLOSE

    def __init__(self, *paths):
        self.fd = checked(libc.inotify_init1(os.O_NONBLOCK), "inotify_init1")
        for path in paths:
            checked(libc.inotify_add_watch(self.fd, os.fsencode(path), 0xfff), path)

    def masks(self):
        """What was told since the last time, without the marks of directories."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.fd, 65536):
                while data:
                    _, mask, _, length = struct.unpack_from("iIII", data)
                    found.append(mask & ~self.ISDIR)
                    data = data[16 + length:]
        return found

    def close(self):
        os.close(self.fd)


def test_inotify_tells_of_readers_and_of_no_change(fake, mount):
    """The kernel tells of what goes through it; the changes do not."""
    sent = event("one")
    fake.create("default", sent)
    m = mount(fake)
    folder = m.path("default/pods/web-1/events")
    with contextlib.closing(Watcher(m.dir, m.path("default"), m.path("default/pods"), folder, folder + "/one", m.path("events.log"))) as watcher:
        read(folder + "/one")
        assert set(watcher.masks()) == {Watcher.OPEN, Watcher.ACCESS, Watcher.CLOSE}
        sent["message"] = "another, longer message"
        fake.update("default", sent)
        assert wait_for(lambda: b"longer" in read(folder + "/one"))
        fake.create("default", event("two"))
        fake.pod("default", "new")
        fake.namespace("new")
        assert wait_for(lambda: all(os.path.exists(m.path(p)) for p in ("default/events/two", "default/pods/new", "new")))
        fake.delete("default", "one")
        assert wait_for(lambda: not os.path.exists(folder + "/one"))
        assert wait_for(lambda: b"longer" in read(m.path("events.log")))
        assert {mask & ~Watcher.READS for mask in watcher.masks()} <= {0}
        run("umount" if os.getuid() == 0 else "fusermount3", *([] if os.getuid() == 0 else ["-u"]), m.dir)
        assert m.wait_end() == 0
        assert Watcher.UNMOUNT in watcher.masks()


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]

    @classmethod
    def of(cls, path):
        handle, mount_id = cls(size=128), ctypes.c_int()
        checked(libc.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount_id), 0), path)
        return handle

    def read(self, m):
        """The content of the file that the handle stands for."""
        root = os.open(m.dir, os.O_RDONLY)
        try:
            fd = checked(libc.open_by_handle_at(root, ctypes.byref(self), os.O_RDONLY), "open_by_handle_at")
        finally:
            os.close(root)
        with open(fd, "rb") as f:
            return f.read()

    def is_stale(self, m):
        with pytest.raises(OSError) as e:
            self.read(m)
        return e.value.errno == errno.ESTALE


@needs_root
def test_a_file_handle_holds_as_long_as_the_kernel_knows_the_file(fake, mount):
    """So knfsd and others that keep handles instead of paths meet ESTALE sooner or later; but never another file."""
    sent = event("one", message="first")
    fake.create("default", sent)
    m = mount(fake)
    path = m.path("default/events/one")
    handle, first = Handle.of(path), read(path)
    assert handle.read(m) == first
    with open(path, "rb"):
        sent["message"] = "second"
        fake.update("default", sent)
        assert wait_for(lambda: b"second" in read(path))
        assert handle.read(m) == first  # a revision, as a descriptor
    assert wait_for(lambda: handle.is_stale(m))
    second = Handle.of(path)
    assert bytes(second.bytes) != bytes(handle.bytes) and b"second" in second.read(m)
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("2", encoding="ascii")
    assert second.is_stale(m)
    assert b"second" in read(path) and Handle.of(path).read(m) == read(path)


@needs_root
def test_a_file_handle_ends_with_its_mount(fake, mount):
    """The node numbers begin anew with each mount; the generation tells them apart."""
    for i in range(20):
        fake.create("default", event(f"e{i}"))
    handles = []
    for _ in range(2):
        m = mount(fake)
        paths = sorted(m.files())
        for p in paths:
            read(p)
        assert all(handle.is_stale(m) for handle in handles)
        handles = [Handle.of(p) for p in paths]
        assert [h.read(m) for h in handles] == [read(p) for p in paths]
        m.close()
