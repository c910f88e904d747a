"""Nothing can be written, and df says what is there."""
import contextlib
import ctypes
import errno
import os
import stat

import pytest

from events import event
from servers import run


@pytest.fixture
def place(fake, mount):
    """A mount with one event: (directory of the event, path of the event)."""
    fake.create("default", event("one"))
    folder = mount(fake).path("default/pods/web-1/events")
    return folder, folder + "/one"


def setxattr(path):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setxattr(path.encode(), b"user.x", b"1", 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "setxattr")


WRITES = {
    "create": lambda d, f: open(d + "/new", "x"),
    "create where a file is": lambda d, f: os.open(f, os.O_CREAT | os.O_WRONLY),
    "open for writing": lambda d, f: os.open(f, os.O_WRONLY),
    "open for both": lambda d, f: os.open(f, os.O_RDWR),
    "append": lambda d, f: open(f, "ab"),
    "truncate": lambda d, f: os.truncate(f, 0),
    "open and truncate": lambda d, f: os.open(f, os.O_RDONLY | os.O_TRUNC),
    "unlink": lambda d, f: os.unlink(f),
    "mkdir": lambda d, f: os.mkdir(d + "/new"),
    "rmdir": lambda d, f: os.rmdir(d),
    "rename": lambda d, f: os.rename(f, f + "x"),
    "rename a directory": lambda d, f: os.rename(d, d + "x"),
    "link": lambda d, f: os.link(f, d + "/new"),
    "symlink": lambda d, f: os.symlink("one", d + "/new"),
    "mknod": lambda d, f: os.mknod(d + "/new", stat.S_IFIFO | 0o600),
    "chmod": lambda d, f: os.chmod(f, 0o666),
    "chown": lambda d, f: os.chown(f, 1, 1),
    "utime": lambda d, f: os.utime(f, (1, 1)),
    "setxattr": lambda d, f: setxattr(f),
    "removexattr": lambda d, f: os.removexattr(f, "user.x"),
    "utime of a directory": lambda d, f: os.utime(d),
    "unlink in .kevfs": lambda d, f: os.unlink(d.replace("/default/pods/web-1", "/.kevfs/namespaces/default") + "/one"),
    "unlink of a link": lambda d, f: os.unlink(d.replace("/pods/web-1", "")),
    "create at the top": lambda d, f: open(d + "/../../../../new", "x"),
    "temporary file": lambda d, f: os.open(d, os.O_TMPFILE | os.O_WRONLY),
}


@pytest.mark.needs_root
def test_every_write_is_erofs(place):
    """To root as well, whom no permission stops."""
    wrong = {}
    for what, write in WRITES.items():
        try:
            write(*place)
            wrong[what] = "done"
        except OSError as e:
            if e.errno != errno.EROFS:
                wrong[what] = errno.errorcode[e.errno]
    assert wrong == {}
    with open(place[1], "rb") as f:
        assert f.read().endswith(b"}\n")


def test_the_mount_says_so(fake, mount):
    m = mount(fake)
    [line] = [line for line in open("/proc/self/mountinfo", encoding="utf-8") if f" {m.dir} " in line]
    before, _, behind = line.partition(" - ")
    assert {"ro", "nosuid", "nodev"} <= set(before.split()[5].split(","))
    kind, source, options = behind.split()
    assert (kind, source) == ("fuse.kevfs", "-") and "default_permissions" in options.split(",")


def test_df(fake, mount):
    """Used is what is there, to the block; and Use% alarms nobody."""
    fake.load(3000)
    m = mount(fake)
    v = os.statvfs(m.dir)
    used = (v.f_blocks - v.f_bfree) * v.f_frsize
    true = sum(os.lstat(p).st_size for p in m.files())
    assert true <= used < true + v.f_frsize
    assert v.f_files - v.f_ffree == len(m.tree()) + 1 or v.f_files - v.f_ffree == len(m.tree())
    assert v.f_namemax == 255
    assert int(run("df", "--output=pcent", m.dir).stdout.split()[-1].rstrip(b"%")) <= 50
    assert int(run("df", "--output=ipcent", m.dir).stdout.split()[-1].rstrip(b"%")) <= 50


def test_df_follows(fake, mount):
    m = mount(fake)

    def used():
        v = os.statvfs(m.dir)
        return v.f_blocks - v.f_bfree
    assert used() == 0
    fake.create("default", event(message="x" * 100000))
    m.settle(fake)
    assert used() >= 100000 // os.statvfs(m.dir).f_frsize


def test_reading_and_writing_flags(place):
    """What a reader may ask for besides reading."""
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_NOATIME, os.O_RDONLY | os.O_NOFOLLOW, os.O_RDONLY | os.O_DIRECT, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, os.O_PATH):
        fd = os.open(place[1], flags)
        os.close(fd)
    for flags, code in ((os.O_RDONLY | os.O_DIRECTORY, errno.ENOTDIR), (os.O_RDONLY | os.O_CREAT | os.O_EXCL, errno.EEXIST)):
        with pytest.raises(OSError) as e:
            os.open(place[1], flags)
        assert e.value.errno == code


def test_paths_that_make_no_sense(place):
    folder, path = place
    for bad, code in ((path + "/x", errno.ENOTDIR), (folder + "/no-such", errno.ENOENT), (folder + "/" + "n" * 255, errno.ENOENT), (folder + "/" + "n" * 256, errno.ENAMETOOLONG)):
        with pytest.raises(OSError) as e:
            os.stat(bad)
        assert e.value.errno == code, bad
    with pytest.raises(OSError) as e:
        os.readlink(path)
    assert e.value.errno == errno.EINVAL
    with pytest.raises(OSError) as e:
        os.listdir(path)
    assert e.value.errno == errno.ENOTDIR
    with contextlib.closing(os.scandir(folder)) as entries:
        assert [e.name for e in entries] == ["one"]
