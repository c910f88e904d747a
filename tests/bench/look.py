"""Looks whether a file is there and has a text in it: lines of PATH, a tab and TEXT on standard input, each answered with the time when it
had (ns since the epoch), or with 0 after a while; an empty line says that it listens. It sleeps between looks: a reader that never does would take a CPU from whom it waits for."""
import sys
import time

BETWEEN, PATIENCE = 50e-6, 20


def has(path, text):
    try:
        with open(path, "rb") as f:
            return text in f.read()
    except FileNotFoundError:
        return False


def wait(path, text):
    end = time.monotonic() + PATIENCE
    while not has(path, text):
        if time.monotonic() > end:
            return 0
        time.sleep(BETWEEN)
    return time.time_ns()


print("", flush=True)
for order in sys.stdin:
    where, what = order.rstrip("\n").split("\t")
    print(wait(where, what.encode()), flush=True)
