"""What systemd is told, as sd_notify(3) has it, where it asks: by a socket in its place."""
import contextlib
import os
import signal
import socket
import struct
import time

import pytest

from blocker import blocked
from events import event
from metrics import Metrics
from mounts import is_mounted
from servers import wait_for


class Systemd:
    """Listens. Each message is (who said it, {NAME: value})."""

    def __init__(self, directory, abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = f"\0kevfs-test-{os.getpid()}-{time.monotonic_ns()}" if abstract else str(directory / "notify")
        self.socket.bind(name)
        self.environment = {"NOTIFY_SOCKET": name.replace("\0", "@")}
        self.heard = []

    def listen(self, seconds=0.0):
        """Takes what comes within so many seconds; or what is there."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0.0001))
            try:
                text, more, _, _ = self.socket.recvmsg(65536, 4096)
            except (TimeoutError, BlockingIOError):
                return self.heard
            pid = next(struct.unpack("iII", data)[0] for level, kind, data in more if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS))
            self.heard.append((pid, dict(line.split("=", 1) for line in text.decode().split("\n"))))

    def said(self, name):
        return [said[name] for _, said in self.listen() if name in said]

    def last(self, name):
        return (self.said(name) or [None])[-1]


@contextlib.contextmanager
def listening(directory, **more):
    systemd = Systemd(directory, **more)
    try:
        yield systemd
    finally:
        systemd.socket.close()


@pytest.fixture
def systemd(scratch):
    with listening(scratch) as s:
        yield s


def threads(pid):
    return [open(f"/proc/{pid}/task/{t}/comm", encoding="ascii").read().strip() for t in os.listdir(f"/proc/{pid}/task")]


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_when_the_mount_is_there(fake, mount, scratch, abstract):
    fake.create("default", event("one"))
    with listening(scratch, abstract=abstract) as s:
        m = mount(fake, environment=s.environment)
        assert wait_for(lambda: s.last("STATUS") == "in sync: 1 events")
        assert s.heard[0][1] == {"STATUS": "first sync"} and s.heard[1][1] == {"READY": "1"}
        assert {pid for pid, _ in s.heard} == {m.pid()} and s.said("WATCHDOG") == []
        os.kill(m.pid(), signal.SIGTERM)
        assert m.wait_end() == 0 and s.listen()[-1][1] == {"STOPPING": "1"} and s.said("READY") == ["1"]


def test_not_ready_before(fake, mount, systemd):
    """Neither before the first sync, nor before others can look inside."""
    fake.create("default", event("one"))
    seen = []
    with fake.fault("stall", resource="events", seconds=1):
        m = mount(fake, environment=systemd.environment)
        seen = [systemd.said("READY"), is_mounted(m.dir)]
    assert wait_for(lambda: systemd.said("READY") == ["1"]) and seen[1] and os.listdir(m.path("default/pods")) == ["web-1"]


def test_in_the_background(fake, mount, systemd):
    """The parent says who goes on, and the child nothing before systemd knows that."""
    fake.create("default", event("one"))
    m = mount(fake, background=True, environment=systemd.environment)
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 1 events")
    parent, child = m.process.pid, m.pid()
    assert parent != child
    assert systemd.heard[:2] == [(parent, {"STATUS": "first sync"}), (parent, {"MAINPID": str(child), "READY": "1"})]
    assert {pid for pid, _ in systemd.heard[2:]} == {child} and systemd.said("READY") == ["1"]


def test_why_it_fails(fake, mount, systemd):
    with fake.fault("status", resource="events", code=403):
        m = mount(fake, refused=True, environment=systemd.environment)
    assert m.returncode == 32 and systemd.said("READY") == []
    assert "may not be listed" in systemd.last("STATUS") and systemd.last("ERRNO") == "13"


def test_the_status_follows(fake, mount, systemd):
    m = mount(fake, environment=systemd.environment)
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 0 events")
    fake.order("outage", seconds=0)
    assert wait_for(lambda: systemd.last("STATUS").startswith("not connected for "), 15)
    assert wait_for(lambda: "127.0.0.1" in systemd.last("STATUS"), 30)
    fake.order("recover")
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 0 events", 60)
    assert len(systemd.said("STATUS")) < 20 and m.process.poll() is None


def test_a_file(fake, mount, systemd, scratch):
    fake.create("default", event("one"))
    (scratch / "list").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    mount(None, source=f"file:{scratch}/list", environment={**systemd.environment, "WATCHDOG_USEC": "200000"})
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 1 events")
    assert wait_for(lambda: len(systemd.said("WATCHDOG")) > 3)


def test_the_watchdog_is_told_that_all_is_well(fake, mount, systemd):
    """Also while the server does not answer: that is not what a restart would mend. Not while the process stands still."""
    m = mount(fake, environment={**systemd.environment, "WATCHDOG_USEC": "1000000"})
    assert wait_for(lambda: len(systemd.said("WATCHDOG")) > 3)
    fake.order("outage", seconds=0)
    assert wait_for(lambda: systemd.last("STATUS").startswith("not connected"), 15)
    count = len(systemd.said("WATCHDOG"))
    assert wait_for(lambda: len(systemd.said("WATCHDOG")) > count + 3)
    os.kill(m.pid(), signal.SIGSTOP)
    try:
        systemd.listen(0.1)
        count = len(systemd.said("WATCHDOG"))
        systemd.listen(1.5)
        assert len(systemd.said("WATCHDOG")) == count
    finally:
        os.kill(m.pid(), signal.SIGCONT)
    assert wait_for(lambda: len(systemd.said("WATCHDOG")) > count + 1)


def test_the_watchdog_of_another_process(fake, mount, systemd):
    m = mount(fake, environment={**systemd.environment, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 0 events")
    systemd.listen(1)
    assert systemd.said("WATCHDOG") == [] and "kevfs-lookout" in threads(m.pid())


@pytest.mark.parametrize("name", ["", "nowhere", "vsock:2:1234", "/no/such/socket", "@"])
def test_who_does_not_listen_is_in_nobodys_way(fake, mount, name):
    fake.create("default", event("one"))
    m = mount(fake, environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"})
    assert os.listdir(m.path("default/pods")) == ["web-1"]
    assert ("kevfs-lookout" in threads(m.pid())) == name.startswith("/")


def test_a_reader_that_holds_a_directory(fake, start_fake, mount, systemd):
    """It is told, and no reason to be killed: whoever comes next would wait for the same reader."""
    big = start_fake()
    big.create("default", event("big", message="x" * (1 << 20)))
    other = mount(big)
    fake.create("default", event("before"))
    m = mount(fake, environment={**systemd.environment, "WATCHDOG_USEC": "400000"})
    folder = m.path(".kevfs/namespaces/default/events")
    os.listdir(folder)
    with blocked(other, folder):
        fake.create("default", event("held"))
        assert wait_for(lambda: "a local reader has been holding a directory for" in systemd.last("STATUS"), 30)
        assert Metrics(m).get("kevfs_invalidation_blocked_seconds") > 4 and Metrics(m).get("kevfs_held_directories") == 1
        before = len(systemd.said("WATCHDOG"))
        assert wait_for(lambda: len(systemd.said("WATCHDOG")) > before + 3)
    assert wait_for(lambda: systemd.last("STATUS") == "in sync: 2 events", 30)
    assert wait_for(lambda: Metrics(m).get("kevfs_held_directories") == 0) and Metrics(m).get("kevfs_invalidation_blocked_seconds") == 0 and m.settle(fake) == 2
