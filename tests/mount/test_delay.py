"""-o delay_sync: the mount is there at once, and no empty tree is ever shown."""
import errno
import os
import signal
import subprocess
import threading
import time

import pytest

from events import event
from mounts import is_mounted
from servers import wait_for


def list_in_process(path):
    """ls in a process that may hang without harm."""
    return subprocess.Popen(["ls", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def stalled(fake):
    """A fake server with one event, which it does not give away before .remove()."""
    fake.create("default", event("one"))
    with fake.fault("stall", resource="events") as fault:
        yield fake, fault


def test_requests_wait_for_the_sync(stalled, mount):
    fake, fault = stalled
    m = mount(fake, "delay_sync", background=True)
    assert m.seconds < 5
    waiting = [list_in_process(m.dir), list_in_process(m.path("default/pods/web-1/events")), subprocess.Popen(["cat", m.path("default/pods/web-1/events/one")], stdout=subprocess.PIPE, stderr=subprocess.PIPE),
               subprocess.Popen(["stat", m.path("no-such")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)]
    time.sleep(1)
    assert [p.poll() for p in waiting] == [None] * 4
    fault.remove()
    out = [p.communicate(timeout=20) for p in waiting]
    assert b"default" in out[0][0] and out[1][0] == b"one\n" and out[2][0].endswith(b"}\n") and b"No such file" in out[3][1]
    fake.create("default", event("two"))
    assert wait_for(lambda: sorted(os.listdir(m.path("default/pods/web-1/events"))) == ["one", "two"])


def test_many_requests_wait_and_hold_no_thread(stalled, mount):
    """More of them than there are threads, and others are still answered: the mount can be ended."""
    fake, fault = stalled
    m = mount(fake, "delay_sync", "sync_timeout=60")
    waiting = [list_in_process(m.path(f"dir-{i}")) for i in range(50)]
    time.sleep(0.5)
    assert all(p.poll() is None for p in waiting)
    assert len(os.listdir(f"/proc/{m.pid()}/task")) < 20
    fault.remove()
    for p in waiting:
        assert b"No such file" in p.communicate(timeout=20)[1]


def test_a_request_that_waits_can_be_interrupted(stalled, mount):
    fake, _ = stalled
    m = mount(fake, "delay_sync")
    for number in (signal.SIGINT, signal.SIGKILL):
        p = list_in_process(m.dir)
        time.sleep(0.3)
        assert p.poll() is None
        p.send_signal(number)
        assert p.wait(5) != 0
        p.communicate()


def test_whoever_waits_behind_another_can_be_interrupted_too(stalled, mount):
    """The kernel lets one after the other into a directory unless it was told that several may; and no signal reaches who is next."""
    fake, _ = stalled
    m = mount(fake, "delay_sync")
    waiting = [list_in_process(m.dir) for _ in range(5)]
    time.sleep(0.5)
    for p in reversed(waiting):
        assert p.poll() is None
        p.send_signal(signal.SIGKILL)
        assert p.wait(5) != 0
        p.communicate()


def test_in_the_end_eagain(stalled, mount):
    """Not an empty directory, for sync_timeout long; and again the next time."""
    fake, fault = stalled
    m = mount(fake, "delay_sync", "sync_timeout=1")
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(OSError) as e:
            os.listdir(m.dir)
        assert e.value.errno == errno.EAGAIN and 0.5 < time.monotonic() - start < 6
    with pytest.raises(OSError) as e:
        os.stat(m.path("default"))
    assert e.value.errno == errno.EAGAIN
    fault.remove()

    def there():
        try:
            return os.listdir(m.path("default/events")) == ["one"]
        except BlockingIOError:
            return False
    assert wait_for(there, 30, 0.1)


def test_rsync_delete_believes_nothing(stalled, mount, scratch):
    fake, _ = stalled
    (scratch / "copy").mkdir()
    (scratch / "copy/precious").write_text("x")
    m = mount(fake, "delay_sync", "sync_timeout=1")
    r = subprocess.run(["rsync", "-a", "--delete", m.dir + "/", scratch / "copy"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert r.returncode != 0 and (scratch / "copy/precious").exists()


@pytest.mark.parametrize("how", ["umount", "umount -l", "SIGTERM"])
def test_unmounting_meanwhile(stalled, mount, how):
    """Who waits gets an error, and the daemon ends."""
    fake, _ = stalled
    m = mount(fake, "delay_sync")
    waiting = [list_in_process(m.dir) for _ in range(5)]
    time.sleep(0.3)
    if how == "SIGTERM":
        os.kill(m.pid(), signal.SIGTERM)
    else:
        if how == "umount":  # not while somebody is inside
            for p in waiting:
                p.kill()
                p.wait(5)
        subprocess.run([*how.split(), m.dir], check=True, timeout=5)
        for p in waiting:
            p.kill()
    for p in waiting:
        p.communicate(timeout=10)
        assert p.returncode != 0
    assert m.wait_end(10) == 0 and not is_mounted(m.dir)


def test_a_server_that_comes_later(fake, mount):
    """Failures of the first sync are tried again, for ever."""
    fake.create("default", event("one"))
    fake.order("outage", seconds=0)
    m = mount(fake, "delay_sync")
    got = []
    t = threading.Thread(target=lambda: got.append(os.listdir(m.path("default/events"))))
    t.start()
    time.sleep(2)
    assert got == []
    fake.order("recover")
    t.join(20)
    assert got == [["one"]]


def test_a_refusal_is_not_the_end(fake, mount):
    """403 at first, granted later: it is tried again, and the reason is logged meanwhile."""
    fake.create("default", event("one"))
    with fake.fault("status", resource="events", code=403):
        m = mount(fake, "delay_sync", "sync_timeout=1")
        assert wait_for(lambda: "may not be listed" in m.said())
        with pytest.raises(OSError):
            os.listdir(m.dir)

    def there():
        try:
            return os.listdir(m.path("default/events")) == ["one"]
        except OSError:
            return False
    assert wait_for(there, 45, 0.2)


def test_with_a_dump_there_is_nothing_to_delay(fake, mount, scratch):
    fake.create("default", event("one"))
    (scratch / "dump").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    m = mount(None, "delay_sync", source=f"file:{scratch}/dump")
    assert len(m.files()) == 1


def test_wrong_options_fail_at_once(fake, mount):
    """What no waiting helps is still said before mount returns."""
    m = mount(fake, "delay_sync", source="no-such", refused=True, background=True)
    assert m.returncode == 32 and "no-such" in m.said()
