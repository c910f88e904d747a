"""What a mounted kevfs has given up, and that it ends as it should all the same."""
import os
import pathlib
import signal
import stat

import pytest

from events import event
from mounts import as_user, is_mounted
from servers import run, wait_for
from test_crash import for_nobody, is_dead, point  # pylint: disable=unused-import
from test_mounting import NOBODY

needs_root = pytest.mark.needs_root


def status(path):
    return dict(line.split(":\t", 1) for line in pathlib.Path(path, "status").read_text(encoding="utf-8").splitlines() if ":\t" in line)


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


@pytest.fixture
def confined(session):
    """Builds with sanitizers give nothing up."""
    if b"__asan_init" in pathlib.Path(session.binary).read_bytes() or b"__tsan_init" in pathlib.Path(session.binary).read_bytes():
        pytest.skip("a sanitizer is at work")


@needs_root
@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
def test_every_thread_is_confined(for_nobody, mount, confined, user):  # pylint: disable=unused-argument,redefined-outer-name
    m = mount(kubeconfig=for_nobody, user=user)
    os.listdir(m.dir) if user is None else run(*as_user(user), "ls", m.dir)  # pylint: disable=expression-not-assigned
    tasks = list(pathlib.Path(f"/proc/{m.pid()}/task").iterdir())
    assert len(tasks) >= 6
    for task in tasks:
        said = status(task)
        assert said["NoNewPrivs"] == "1" and said["Seccomp"] == "2", (said["Name"], said)
        assert int(said["CapEff"], 16) & ~0x200006 == 0, said
    workers = [status(t) for t in tasks if status(t)["Name"] == "kevfs"]
    assert all(int(w["CapEff"], 16) & ~0x6 == 0 for w in workers)


@needs_root
def test_nobody_else_looks_into_it(for_nobody, mount, confined):  # pylint: disable=unused-argument,redefined-outer-name
    """Not even the user's own other processes."""
    m = mount(kubeconfig=for_nobody, user=NOBODY)
    pid = m.pid()
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    for name in ("environ", "mem", "maps"):
        assert run(*as_user(NOBODY), "cat", f"/proc/{pid}/{name}", check=False).returncode != 0
    limit = next(line for line in pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8").splitlines() if line.startswith("Max core file size"))
    assert limit.split()[4] == "0"


@needs_root
@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_it_unmounts_and_ends(for_nobody, mount, user, background):  # pylint: disable=redefined-outer-name
    """And so does its helper."""
    m = mount(kubeconfig=for_nobody, user=user, background=background)
    pid = m.pid()
    # The mount is there a moment before the fusermount3 that made it has ended.
    assert wait_for(lambda: len(children(pid)) == 1)
    [helper] = children(pid)
    os.kill(pid, signal.SIGTERM)
    assert wait_for(lambda: not is_mounted(m.dir)) and m.wait_end() == 0
    assert wait_for(lambda: not os.path.exists(f"/proc/{helper}"))
    assert "cannot be unmounted" not in m.said()


@needs_root
def test_without_its_helper(fake, mount, point, confined):  # pylint: disable=unused-argument,redefined-outer-name
    """It says so, and the next start mends it."""
    fake.create("default", event("one"))
    m = mount(fake, directory=point)
    pid = m.pid()
    [helper] = children(pid)
    os.kill(helper, signal.SIGKILL)
    os.kill(pid, signal.SIGTERM)
    assert m.wait_end() == 0
    assert "cannot be unmounted" in m.said() and f"umount -l {m.dir}" in m.said() and is_dead(point)
    m.refused = True
    n = mount(fake, directory=point, background=True)
    assert os.listdir(point / "default/events") == ["one"]
    n.close()


@needs_root
def test_drop_privileges_has_no_helper(session, fake, point):  # pylint: disable=redefined-outer-name
    """There mount.fuse has mounted, and what it mounted ends with the last who looks after it."""
    run("mount", "-t", "fuse.kevfs", "-", point, "-o", "drop_privileges,allow_other,ro,default_permissions", env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    assert stat.S_ISDIR(os.stat(point).st_mode)
    run("umount", point)
    assert wait_for(lambda: not is_mounted(point))
