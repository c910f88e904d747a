#!/usr/bin/env python3
"""Somebody who keeps a daemon's notifications waiting: blocker.py DIRECTORY FILE lists the directory, once a line comes in, into memory
that is the file's. Where the file's own file system does not answer, it stands there, and holds the directory's lock, until that does.
A process of its own, since such a process can do nothing else."""
import ctypes
import os
import sys

GETDENTS64 = {"x86_64": 217, "aarch64": 61}
PAGE = os.sysconf("SC_PAGESIZE")


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
