"""A file of the kubeconfig stands where nobody answers any more, as on an NFS server that is dead: the thread that follows the cluster
hangs when it looks whether the file has changed."""
import contextlib
import os
import pathlib
import shutil
import signal
import time

import pytest

from blocker import is_stopped
from credentials import certificate, configure
from events import event
from metrics import Metrics
from mounts import is_mounted
from reports import status
from servers import wait_for
from test_live import see


@pytest.fixture
def other(start_fake, mount):
    """A mount that can be stopped."""
    return mount(start_fake())


@pytest.fixture
def follows(fake, mount, scratch):
    """Mounts, with the certificate in a file of its own: gives the mount and that file."""
    def make(*options):
        file = scratch / "certificate"
        shutil.copy(fake.cert, file)
        user = {**certificate(fake), "client-certificate": str(file)}
        return mount(None, *options, kubeconfig=configure(fake, scratch / "config", user)), file
    return make


def is_hanging(m):
    """Does the feed's thread wait in the kernel for an answer of a filesystem?"""
    for task in pathlib.Path(f"/proc/{m.pid()}/task").iterdir():
        if (task / "comm").read_text() == "kevfs-feed\n":
            return "request_wait" in (task / "wchan").read_text()
    return False


@contextlib.contextmanager
def dead(other, file):
    """The file is one of the other mount's, which nobody has looked up yet, and the other does not answer until the with statement
    ends."""
    os.kill(other.pid(), signal.SIGSTOP)
    try:
        while not is_stopped(other.pid()):
            time.sleep(0.01)
        part = file.with_name("part")
        part.symlink_to(other.path(".kevfs/status"))
        part.rename(file)
        yield
    finally:
        os.kill(other.pid(), signal.SIGCONT)


def test_it_is_stale(fake, other, follows):
    """From half a minute on, for as long as it hangs: nobody would say otherwise that the tree follows no more."""
    fake.create("default", event("one"))
    m, file = follows()
    before = status(m)
    assert not before["stale"]
    with dead(other, file):
        assert wait_for(lambda: is_hanging(m), 30)
        begun = time.monotonic()
        fake.create("default", event("two"))
        assert wait_for(lambda: status(m)["stale"], 60, 0.2)
        assert time.monotonic() - begun > 20
        said = status(m)
        assert "hangs" in said["last_error"] and said["since"] > before["since"] and said["connected"]
        now = Metrics(m)
        assert now.get("kevfs_stale") == 1 and now.get("kevfs_feed_late_seconds") >= 30
        # What was shown is.
        assert [os.path.basename(f) for f in m.files()] == [b"one"] and m.events()
    see(lambda: len(m.files()) == 2)
    after = status(m)
    assert not after["stale"] and after["since"] > said["since"] and "hangs" not in after["last_error"]


@pytest.mark.parametrize("unmounted", [False, True])
def test_the_end(fake, other, follows, mount, scratch, unmounted):
    """Nobody waits for it: neither the mount nor the process; and what is kept is kept."""
    fake.create("default", event("one"))
    m, file = follows(f"state={scratch}/state")
    assert wait_for(lambda: status(m)["history"]["acknowledged"] == 1 and status(m)["synced"])
    with dead(other, file):
        assert wait_for(lambda: is_hanging(m), 30)
        if unmounted:
            m.unmount()
        else:
            os.kill(m.pid(), signal.SIGTERM)
        assert m.wait_end(20) == 0 and not is_mounted(m.dir)
    assert "it is not waited for" in m.said()
    fake.order("outage", seconds=0)
    m = mount(fake, f"state={scratch}/state")
    assert [os.path.basename(f) for f in m.files()] == [b"one"]
