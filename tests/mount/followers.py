#!/usr/bin/env python3
"""Readers of a log that grows, each a process of its own: followers.py pread|stat PATH. Until standard input ends they look, as fast as
they can; then they print what they saw, as JSON: {"looks": how often, "bytes": how many, "wrong": [what was not as it should be]}.

What stands in the log are lines of numbered(); so each line that is read, by whomever, at whatever offset, is known to be whole."""
import json
import os
import random
import re
import select
import sys

NUMBERED = re.compile(rb"n(\d+) ([a-z]*)\.")
ALPHABET = b"abcdefghijklmnopqrstuvwxyz" * 12


def numbered(i):
    """The i-th message: of varying length, and no piece of it is one."""
    return f"n{i} {ALPHABET[i % 26:i % 26 + i * 7919 % 251].decode()}."


def number_of(line):
    """The message's number; None where the line (events.log or events.jsonl) is not whole."""
    found = NUMBERED.search(line)
    return int(found[1]) if found and found[0] == numbered(int(found[1])).encode() else None


def faults_of(piece, at_line, at_end):
    """What is wrong with a piece of the log. at_line: it begins with a line; at_end: it was read up to the end of the file."""
    wrong = []
    if b"\0" in piece:
        wrong.append(f"{piece.count(0)} NULs at {piece.index(0)} of {len(piece)} bytes")
    if at_end and piece and not piece.endswith(b"\n"):
        wrong.append(f"short line at the end: {piece[-100:]!r}")
    whole = piece.split(b"\n")[(0 if at_line else 1):-1]
    numbers = [number_of(line) for line in whole]
    wrong += [f"torn line: {line[:300]!r}" for line, n in zip(whole, numbers) if n is None]
    wrong += [f"{a} is followed by {b}" for a, b in zip(numbers, numbers[1:]) if None not in (a, b) and b != a + 1]
    return wrong


def stopped():
    return bool(select.select([0], [], [], 0)[0])


class Reader:
    """Looks at the file that it has open, and takes the new one where the name means another: then at both for a while."""

    def __init__(self, path):
        self.path, self.looks, self.bytes, self.wrong = path, 0, 0, []
        self.fds, self.sizes = [os.open(path, os.O_RDONLY)], {}

    def follow(self):
        if os.stat(self.path).st_ino != os.fstat(self.fds[-1]).st_ino:
            self.fds.append(os.open(self.path, os.O_RDONLY))
            if len(self.fds) > 3:
                os.close(self.fds.pop(0))

    def pread(self):
        for fd in self.fds:
            back = random.choice((0, 100, 4096, 20000))
            offset = max(0, os.fstat(fd).st_size - random.randint(0, back))
            asked = random.choice((100, 4096, 65536))
            piece = os.pread(fd, asked, offset)
            at_line = offset == 0 or os.pread(fd, 1, offset - 1) == b"\n"
            self.wrong += faults_of(piece, at_line, len(piece) < asked)
            self.bytes += len(piece)

    def stat(self):
        for fd in self.fds:
            st = os.fstat(fd)
            if st.st_size < self.sizes.get(st.st_ino, 0):
                self.wrong.append(f"the size falls from {self.sizes[st.st_ino]} to {st.st_size}")
            self.sizes[st.st_ino] = st.st_size
            if st.st_size and os.pread(fd, 1, st.st_size - 1) != b"\n":
                self.wrong.append(f"no line ends at the size, {st.st_size}")
        os.lstat(self.path)


def main():
    kind, path = sys.argv[1:]
    reader = Reader(path)
    while not stopped():
        getattr(reader, kind)()
        reader.looks += 1
        if reader.looks % 50 == 0:
            reader.follow()
    print(json.dumps({"looks": reader.looks, "bytes": reader.bytes, "wrong": reader.wrong[:20], "count": len(reader.wrong)}))


if __name__ == "__main__":
    main()
