"""Fixtures of the mount tests. They run with Debian's python3-pytest: /usr/bin/python3 -m pytest tests/mount

KEVFS_BIN (the binary) or KEVFS_BUILD (meson's build directory) says what is tested; KEVFS_WRAPPER stands before it (valgrind …).
KEVFS_CLUSTER holds the programs of the real control plane; without them its tests are skipped.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile

import pytest

import events
import hostile
from mounts import Mount, Session, Workspace
from servers import Fake, Real, Unavailable, find_kubectl, run, wait_for

TIMEOUT = 60
REAL_EVENTS = 2000


def hands_out(config):
    """Is this pytest-xdist's process that only hands the tests out, to others that run them (-n 2)?"""
    return bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")


def pytest_configure(config):
    config.addinivalue_line("markers", f"timeout(seconds): the watchdog's patience with a test ({TIMEOUT})")
    config.addinivalue_line("markers", "needs_root: the test mounts for others, uses mount(8) or namespaces")
    config.addinivalue_line("markers", "xdist_group(name): of pytest-xdist: these run in one process, one after the other")
    if hands_out(config):
        return
    directory = tempfile.mkdtemp(prefix="kevfs-test-")
    os.chmod(directory, 0o755)
    config.kevfs_directory = directory
    (pathlib.Path(directory) / "bin").mkdir()
    if os.getuid() == 0:
        enter_namespace(directory)
    config.kevfs_watchdog = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "watchdog.py"), directory, str(os.getpid())], stdin=subprocess.PIPE)
    signal.signal(signal.SIGALRM, on_alarm)


def enter_namespace(directory):
    """A mount namespace for the session: what is mounted in it ends with it, whatever happens. There kevfs is in a directory where
    mount(8) and systemd find it without any PATH, and everyone may open /dev/fuse, as udev has it outside of containers."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare: the mount tests need the right to mount")
    device = os.path.join(directory, "dev")
    os.mkdir(device)
    run("mount", "--make-rslave", "/")
    run("mount", "--bind", os.path.join(directory, "bin"), "/usr/local/sbin")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "none", device)
    os.mknod(device + "/fuse", stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
    os.chmod(device + "/fuse", 0o666)
    run("mount", "--bind", device + "/fuse", "/dev/fuse")


def on_alarm(*_):
    raise TimeoutError("the watchdog has ended this test; see its output for the stacks of the daemon")


def tell(config, line):
    with contextlib.suppress(BrokenPipeError):
        config.kevfs_watchdog.stdin.write(line.encode() + b"\n")
        config.kevfs_watchdog.stdin.flush()


def pytest_unconfigure(config):
    if hands_out(config):
        return
    tell(config, "bye")
    config.kevfs_watchdog.stdin.close()
    config.kevfs_watchdog.wait(120)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    mark = item.get_closest_marker("timeout")
    scale = float(os.environ.get("KEVFS_TIMEOUT_SCALE", "1"))  # valgrind is slow
    tell(item.config, f"arm {(mark.args[0] if mark else TIMEOUT) * scale} {item.nodeid}")
    yield
    tell(item.config, "disarm")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("needs_root") and os.getuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        # One control plane is enough, and what is disturbed there disturbs nobody else.
        if "real" in item.fixturenames or "real" in getattr(getattr(item, "callspec", None), "params", {}).values():
            item.add_marker(pytest.mark.xdist_group("real"))
    # What disturbs the shared control plane comes last.
    items.sort(key=lambda item: item.get_closest_marker("disturbs") is not None)


@pytest.fixture(scope="session")
def workspace(request):
    """Where everything lies."""
    return Workspace(request.config.kevfs_directory)


@pytest.fixture(scope="session")
def session(workspace):
    """The binary under test."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse here")
    return Session(workspace)


def available(make):
    try:
        return make()
    except Unavailable as e:
        pytest.skip(str(e))


@pytest.fixture
def start_fake(workspace):
    """Starts fake servers, each with a life of its own: start_fake("-events", "100")."""
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            available(find_kubectl)
            server = available(lambda: Fake(workspace.new_directory("fake"), *arguments))
            stack.callback(server.close)
            return server
        yield start


@pytest.fixture
def fake(start_fake):
    """A fake server of the test's own, empty but for the namespaces that every cluster has."""
    return start_fake()


@pytest.fixture(scope="session")
def real(workspace):
    """The one real control plane of the session, with real, many and hostile events in it."""
    server = available(lambda: Real(workspace.new_directory("real")))
    try:
        populate(server)
        yield server
    finally:
        server.close()


def populate(server):
    server.hostile = hostile.post(server)
    server.flood(REAL_EVENTS)
    # Real components say something in each of these:
    for namespace, about in (("default", "Pod"), ("default", "Node"), ("shop", "Deployment"), ("shop", "ReplicaSet")):
        assert wait_for(lambda: server.get(f"/api/v1/namespaces/{namespace}/events?limit=1&fieldSelector=involvedObject.kind={about}")["items"], 30, 0.3), f"no event about a {about}"


@pytest.fixture(params=["fake", "real"])
def server(request):
    """Each of the two servers, with the same kinds of events in it."""
    chosen = request.getfixturevalue(request.param)
    if request.param == "fake":
        chosen.hostile = hostile.post(chosen)
        chosen.load(REAL_EVENTS, namespaces=10, makePods=True)
        events.imitate(chosen)
    return chosen


@pytest.fixture
def mount(session, request):
    """Mounts kevfs: mount(server, *options, …) as mounts.Mount takes them. Everything is unmounted behind the test, which fails if a
    daemon did not end well or said something suspicious."""
    made = []

    def make(server=None, *options, **keywords):
        if server is not None and "kubeconfig" not in keywords:
            keywords["kubeconfig"] = server.kubeconfig
        m = Mount(session, options=options, **keywords)
        made.append(m)
        return m
    yield make
    problems = []
    for m in reversed(made):
        try:
            m.close()
        except AssertionError as e:
            problems.append(str(e))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.fixture
def scratch(workspace):
    """A directory for the test's own files."""
    path = workspace.new_directory("scratch")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def vectors():
    """(name, nanoseconds or None, text) of tests/vectors/event-names.tsv"""
    rows = []
    for line in (pathlib.Path(__file__).resolve().parent.parent / "vectors/event-names.tsv").read_text().splitlines():
        if not line.startswith("#"):
            name, number, text = line.split("\t")
            rows.append((name, None if number == "-" else int(number), text))
    return rows
