"""What looks after the tests from outside, as a process of its own: a FUSE mount that hangs may hang whoever touches it.

    watchdog.py DIRECTORY PID

DIRECTORY is the session's; every mountpoint and server of the tests is below it. Orders come as lines on standard input:
"arm SECONDS NAME", "disarm", "bye". When the time is over, it writes the stacks of the daemons to standard error (with gdb),
aborts their FUSE connections, so that whoever waits in the kernel gets an error, kills them, and sends SIGALRM to PID. When
the input ends without "bye", the tests have died: it cleans up behind them. With "bye" only DIRECTORY is left to be removed: pytest-xdist
kills who takes ten seconds for that.
"""
import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time


def mounts(directory):
    """[(mountpoint, minor device number)] of the FUSE mounts below directory, the innermost first."""
    found = []
    with open("/proc/self/mountinfo", "rb") as f:
        for line in f:
            fields = line.split(b" ")
            point = fields[4].decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")
            if point.startswith(str(directory) + "/") and fields[fields.index(b"-", 6) + 1].startswith(b"fuse"):
                found.append((point, fields[2].decode().split(":")[1]))
    return found[::-1]


def arguments(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def is_helper(pid):
    """It has its daemon's arguments, and ends with it."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_bytes() == b"kev-helper\n"
    except OSError:
        return True


def daemons(directory, helpers=False):
    """The process ids of programs that were told to serve a mountpoint below directory: nobody else's name has that path. Or
    of their helpers."""
    prefix = str(directory).encode() + b"/"
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        args = arguments(pid)
        if any(os.path.basename(a) == b"kevfs" for a in args) and any(a.startswith(prefix + b"mnt") for a in args) and is_helper(pid) == helpers:
            found.append(int(pid))
    return found


def abort(directory):
    """Ends the connections of all mounts below directory, and then the mounts."""
    for point, minor in mounts(directory):
        with contextlib.suppress(OSError), open(f"/sys/fs/fuse/connections/{minor}/abort", "w") as f:
            f.write("1")
    for pid in daemons(directory):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    for point, _ in mounts(directory):
        subprocess.run(["umount", "-l", point] if os.getuid() == 0 else ["fusermount3", "-uz", point], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)


def stacks(directory):
    gdb = shutil.which("gdb")
    for pid in daemons(directory):
        print(f"--- kevfs {pid}", file=sys.stderr)
        for task in sorted(os.listdir(f"/proc/{pid}/task")):
            with contextlib.suppress(OSError):
                print(task, pathlib.Path(f"/proc/{pid}/task/{task}/wchan").read_text(), file=sys.stderr)
        if gdb:
            with contextlib.suppress(subprocess.TimeoutExpired):
                r = subprocess.run([gdb, "-p", str(pid), "-batch", "-nx", "-ex", "thread apply all bt"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
                print(r.stdout.decode(errors="replace"), file=sys.stderr)
    sys.stderr.flush()


def leave_namespace(directory):
    """What stands in the way of removing the directory; a no-op where there is no namespace."""
    for point in ("/dev/fuse", f"{directory}/dev", "/usr/local/sbin") if os.path.isdir(f"{directory}/dev") else ():
        subprocess.run(["umount", "-l", point], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)


def remove(directory):
    leave_namespace(directory)
    shutil.rmtree(directory, ignore_errors=True)


def clean(directory):
    """What a session leaves when it dies; its fake servers end by themselves."""
    abort(directory)
    for real in pathlib.Path(directory).glob("real*"):
        down = pathlib.Path(__file__).resolve().parent.parent / "cluster/down"
        subprocess.run([down, real], stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    if not mounts(directory):
        remove(directory)


def main():
    directory, pid = sys.argv[1], int(sys.argv[2])
    os.setsid()  # Ctrl-C is for the tests
    deadline, name, buffered = None, "", b""
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic())
        if not select.select([0], [], [], left)[0]:
            print(f"watchdog: {name} takes too long", file=sys.stderr)
            stacks(directory)
            abort(directory)
            os.kill(pid, signal.SIGALRM)
            deadline = time.monotonic() + 20  # what comes next may hang as well
            continue
        piece = os.read(0, 65536)
        if not piece:
            clean(directory)
            return
        *lines, buffered = (buffered + piece).split(b"\n")
        for line in lines:
            word, *rest = line.decode().split(" ", 2)
            if word == "arm":
                deadline, name = time.monotonic() + float(rest[0]), rest[1]
            elif word == "disarm":
                deadline = None
            elif word == "bye":
                remove(directory)
                return


if __name__ == "__main__":
    main()
