#!/usr/bin/env python3
"""Somebody who keeps a daemon's notifications waiting: blocker.py DIRECTORY FILE lists the directory, once a line comes in, into memory
that is the file's. Where the file's own file system does not answer, it stands there, and holds the directory's lock, until that does.
A process of its own, since such a process can do nothing else."""
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

GETDENTS64 = {"x86_64": 217, "aarch64": 61}
PAGE = os.sysconf("SC_PAGESIZE")


@contextlib.contextmanager
def blocked(other, *directories):
    """Nobody can be told that a name in the directories means something else, until the with statement ends: other is a mount of one
    large event, which is stopped meanwhile. Gives the processes."""
    [path] = other.files()
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(subprocess.Popen([sys.executable, __file__, d, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)) for d in directories]
        for p in found:
            assert p.stdout.readline() == b"ready\n"
        os.kill(other.pid(), signal.SIGSTOP)
        try:
            while not is_stopped(other.pid()):  # a signal takes its time
                time.sleep(0.01)
            for p in found:
                p.stdin.write(b"\n")
                p.stdin.flush()
            for p in found:
                until = time.monotonic() + 10
                while not is_in_getdents(p.pid):
                    assert time.monotonic() < until and p.poll() is None
                    time.sleep(0.01)
            yield found
        finally:
            os.kill(other.pid(), signal.SIGCONT)
            for p in found:
                assert int(p.stdout.readline()) > 0


def is_stopped(pid):
    """All of its threads?"""
    return all(open(f"/proc/{pid}/task/{t}/stat", encoding="utf-8").read().rsplit(") ", 1)[1][0] == "T" for t in os.listdir(f"/proc/{pid}/task"))


def is_in_getdents(pid):
    """Does it sleep in that system call?"""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
        return f.read().split()[0] == str(GETDENTS64[os.uname().machine])


def main():
    directory, path = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), os.open(sys.argv[2], os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    size = os.fstat(path).st_size
    memory = libc.mmap(None, size, 3, 2, path, 0)  # to be written, private: so it is read first
    print("ready", flush=True)
    sys.stdin.readline()
    got = libc.syscall(ctypes.c_long(GETDENTS64[os.uname().machine]), ctypes.c_long(directory), ctypes.c_void_p(memory + size // PAGE // 2 * PAGE), ctypes.c_long(8 * PAGE))
    print(got, flush=True)


if __name__ == "__main__":
    main()
