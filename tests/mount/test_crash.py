"""What a process that was killed leaves, and what takes it away: the next start, or auto_unmount."""
import ctypes
import errno
import os
import pathlib
import signal
import stat

import pytest

from events import event
from mounts import as_user, is_mounted
from servers import run, wait_for
from test_mounting import NOBODY, mounted_times
from watchdog import arguments, daemons

needs_root = pytest.mark.needs_root


def is_dead(point):
    """A stat may be answered from what the kernel has kept."""
    try:
        os.statvfs(point)
    except OSError as e:
        return e.errno == errno.ENOTCONN
    return False


def kill(m):
    """kill -9, and wait until the kernel knows it."""
    os.kill(m.pid(), signal.SIGKILL)
    m.process.wait(10)


@pytest.fixture
def point(session):
    """A directory that is not left mounted."""
    directory = session.new_directory("mnt")
    directory.chmod(0o777)
    yield directory
    while is_mounted(directory):
        run("umount", "-l", directory)


@pytest.fixture
def for_nobody(fake, scratch):
    """A kubeconfig that everybody may read."""
    scratch.chmod(0o755)
    path = scratch / "config"
    path.write_text(pathlib.Path(fake.kubeconfig).read_text(encoding="utf-8"), encoding="utf-8")
    path.chmod(0o644)
    return str(path)


@pytest.fixture
def user_allow_other(scratch):
    """An /etc/fuse.conf that lets ordinary users have allow_other: in this mount namespace."""
    (scratch / "fuse.conf").write_text("user_allow_other\n", encoding="utf-8")
    run("mount", "--bind", scratch / "fuse.conf", "/etc/fuse.conf")
    yield
    run("umount", "/etc/fuse.conf")


def crash(mount, point, *arguments, **keywords):
    """Mounts there, and kills the process; the mount is dead then. Somebody has looked at it, so that the kernel has its attributes."""
    m = mount(*arguments, directory=point, **keywords)
    os.stat(point)
    os.listdir(point)
    kill(m)
    assert wait_for(lambda: is_dead(point))
    # What the fixture looks at in the end is the directory: it is mounted anew by then, or not any more.
    m.refused = True
    return m


@needs_root
def test_what_the_kernel_has_kept(fake, mount, point):
    """It shows it still, as if all was well; the status is the one thing that tells."""
    fake.create("default", event("one"))
    m = mount(fake, directory=point)
    names, content = os.listdir(point / "default/events"), (point / "default/events/one").read_bytes()
    for report in "status", "metrics":
        assert (point / ".kevfs" / report).read_bytes()
    kill(m)
    m.refused = True
    assert os.listdir(point / "default/events") == names and (point / "default/events/one").read_bytes() == content
    for report in "status", "metrics":
        with pytest.raises(OSError) as e:
            (point / ".kevfs" / report).read_bytes()
        assert e.value.errno == errno.ENOTCONN


@needs_root
def test_a_start_over_our_own_dead_mount(fake, mount, point):
    fake.create("default", event("one"))
    crash(mount, point, fake)
    m = mount(fake, directory=point, background=True)
    assert os.listdir(point / "default/events") == ["one"] and mounted_times(point) == 1
    assert m.said().count("held a dead mount of ours") == 1
    m.close()


@needs_root
def test_a_relative_path_to_it(fake, mount, session, point):
    """From the directory that the tests run it in."""
    crash(mount, point, fake)
    r = run(session.binary, "-", point.name, cwd=point.parent, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    assert b"dead mount" in r.stderr and mounted_times(point) == 1 and not is_dead(point)
    run("umount", point)


@needs_root
def test_by_mount_8(fake, mount, session, scratch, point):
    """And by an fstab."""
    crash(mount, point, fake)
    (scratch / "fstab").write_text(f"- {point} fuse.kevfs kubeconfig={fake.kubeconfig} 0 0\n", encoding="utf-8")
    run("mount", "-T", scratch / "fstab", point, env=session.environment)
    assert not is_dead(point) and mounted_times(point) == 1
    run("umount", point)
    assert wait_for(lambda: not is_mounted(point))


@needs_root
def test_an_ordinary_user_takes_his_own_away(for_nobody, mount, point):
    os.chown(point, NOBODY, NOBODY)
    dead = mount(kubeconfig=for_nobody, user=NOBODY, directory=point)
    kill(dead)
    dead.refused = True
    m = mount(kubeconfig=for_nobody, user=NOBODY, directory=point, background=True)
    assert mounted_times(point) == 1
    m.close()


@needs_root
def test_an_ordinary_user_leaves_others(fake, for_nobody, mount, point):
    crash(mount, point, fake, "allow_other")
    m = mount(kubeconfig=for_nobody, user=NOBODY, directory=point, background=True, refused=True)
    assert m.returncode == 32 and "take it away with: umount -l" in m.said() and is_dead(point)


@needs_root
def test_another_filesystem_is_left(fake, mount, point):
    """Dead, but none of ours."""
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"other", os.fsencode(point), b"fuse.other", 0, f"fd={fd},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0".encode()) == 0
    os.close(fd)
    assert wait_for(lambda: is_dead(point))
    m = mount(fake, directory=point, background=True, refused=True)
    assert m.returncode == 32 and "holds a dead mount; take it away with: umount -l" in m.said() and is_dead(point)


@needs_root
def test_auto_unmount(fake, mount, point):
    m = mount(fake, "auto_unmount", directory=point)
    assert mounted_times(point) == 1 and os.listdir(point)
    kill(m)
    assert wait_for(lambda: not is_mounted(point), 20)
    m.refused = True


@needs_root
@pytest.mark.parametrize("more", [(), ("allow_other",)])
def test_auto_unmount_of_an_ordinary_user(for_nobody, mount, point, user_allow_other, more):  # pylint: disable=unused-argument
    os.chown(point, NOBODY, NOBODY)
    m = mount(None, "auto_unmount", *more, kubeconfig=for_nobody, user=NOBODY, directory=point)
    run(*as_user(NOBODY), "ls", point)
    kill(m)
    assert wait_for(lambda: not is_mounted(point), 20)
    m.refused = True


@needs_root
@pytest.mark.parametrize("how", ["umount", "SIGTERM"])
def test_auto_unmount_ends_as_any_other(fake, mount, point, how):
    """What is mounted there afterwards is nobody's business."""
    m = mount(fake, "auto_unmount", directory=point)
    if how == "umount":
        run("umount", point)
    else:
        os.kill(m.pid(), signal.SIGTERM)
    assert m.wait_end() == 0
    n = mount(fake, directory=point)
    assert not is_dead(point) and mounted_times(point) == 1
    n.close()


def helper_of(m):
    return next(p for p in daemons(m.directory.parent, helpers=True) if os.fsencode(m.dir) in arguments(p))


@needs_root
def test_auto_unmount_when_killed_by_name(fake, mount, point):
    """pkill -9 kevfs: what unmounts then has another name."""
    m = mount(fake, "auto_unmount", directory=point)
    assert "kevfs" not in pathlib.Path(f"/proc/{helper_of(m)}/comm").read_text(encoding="utf-8")


@needs_root
@pytest.mark.parametrize("how", ["alive", "dead"])
def test_auto_unmount_leaves_what_is_mounted_meanwhile(fake, mount, point, how):
    """While the process stands still that unmounts."""
    if how == "dead" and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 8):
        pytest.skip("the kernel numbers mounts anew")
    m = mount(fake, "auto_unmount", directory=point)
    os.listdir(point)
    helper = helper_of(m)
    os.kill(helper, signal.SIGSTOP)
    kill(m)
    m.refused = True
    run("umount", "-l", point)
    if how == "alive":
        mount(fake, directory=point)
    else:
        crash(mount, point, fake)
    os.kill(helper, signal.SIGCONT)
    assert wait_for(lambda: not os.path.exists(f"/proc/{helper}"))
    assert mounted_times(point) == 1 and is_dead(point) == (how == "dead")


@needs_root
def test_auto_unmount_and_drop_privileges(fake, session, point):
    r = run("mount", "-t", "fuse.kevfs", "-", point, "-o", "drop_privileges,allow_other,ro,default_permissions,auto_unmount", check=False, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    run("umount", "-l", point, check=False)
    assert r.returncode != 0 and b"auto_unmount" in r.stderr
