#!/usr/bin/env python3
"""Holds every #include of the house against its plan: which room may see which, and where foreign headers may appear.

    check_layering.py [CHECKOUT]

A room is a directory of fs/, with its headers in include/kevfs/ and its tests in tests/unit/; what lies in fs/ itself is the top. A
room sees itself and lower floors only; watch and tree never see each other. Neither headers nor the modules of a room
include each other in a circle. Prints what is wrong, a line each; exit 1 if there is anything.
"""
import pathlib
import re
import sys

# What each room sees, beside itself; fs/README.md has the picture. check_plan() holds it to lower floors.
FLOOR = {"base": 0, "event": 1, "cluster": 1, "store": 2, "watch": 3, "tree": 3, "kernel": 4, "top": 5}
SEES = {
    "base": set(),
    "event": {"base"},
    "cluster": {"base"},
    "store": {"base", "event"},
    "watch": {"base", "event", "cluster", "store"},
    "tree": {"base", "event", "store"},
    "kernel": {"base", "event", "store", "tree"},
    "top": {"base", "event", "cluster", "store", "watch", "tree", "kernel"},
}

# Foreign headers: pattern of the header, patterns of the files that may include it. Others of the C library and the system are free.
FOREIGN = [
    (r"curl/.*", [r"fs/cluster/(http(_\w+)?|connection|header_list)\.[ch]", r"include/kevfs/cluster/(connection|header_list)\.h", r"tests/unit/cluster/test_nomem\.c"]),
    (r"jansson\.h", [r"(fs|include/kevfs)/cluster/(answer|discovery|extension|jwt|plugin_credential|plugin_info|status)\.[ch]", r"tests/.*"]),
    (r"sqlite3\.h", [r"fs/store/database\.c", r"tests/unit/store/test_(archive|history|history_nomem)\.c"]),
    (r"yaml\.h", [r"fs/cluster/(kubeconfig|document)\.c"]),
    (r"openssl/.*", [r"fs/cluster/.*\.c", r"fs/base/hash\.c", r"tests/unit/(base|cluster)/.*"]),
    (r"(zlib|lzma|zstd|zstd_errors|bzlib)\.h", [r"fs/watch/codec\.c"]),
    (r"fuse.*", [r"(fs|include/kevfs)/kernel/.*", r"fs/(main|options)\.c", r"tests/unit/kernel/.*"]),
    (r"ut(hash|list|array|string)\.h", [r"fs/.*", r"include/kevfs/.*", r"tests/.*"]),
    (r"cmocka\.h", [r"tests/.*"]),
]

# Headers of the C library and of Linux.
SYSTEM = re.compile(
    r"(arpa|linux|net|netinet|sys|asm)/.*|"
    r"(assert|complex|ctype|dirent|dlfcn|endian|errno|execinfo|fcntl|fenv|float|fnmatch|ftw|getopt|glob|grp|inttypes|iso646|langinfo|libgen|limits|locale|"
    r"malloc|math|mntent|netdb|poll|pthread|pwd|regex|sched|semaphore|setjmp|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|"
    r"stdnoreturn|string|strings|syslog|tgmath|termios|threads|time|uchar|unistd|utime|wchar|wctype|wordexp|byteswap|sysexits|mcheck)\.h"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:<([^>]+)>|"([^"]+)"|(\S.*))', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def room_of(path):
    """The room that a file of the checkout (a path relative to it) belongs to; None if to none."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[0] == "fs":
        return parts[1] if len(parts) > 2 else "top"
    if parts[:2] == ("include", "kevfs"):
        return parts[2] if len(parts) > 3 else "top"
    if parts[:2] == ("tests", "unit") and len(parts) > 3:
        return parts[2]
    return None


def includes(text):
    """[(line, header, is it written <like this>)]; header None for one that a macro makes up."""
    text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)
    return [(text.count("\n", 0, m.start()) + 1, m.group(1) or m.group(2), bool(m.group(1))) for m in INCLUDE.finditer(text)]


def resolve(root, path, header):
    """The file of the checkout that a "header" in path means; None if it is none of ours."""
    for base in (path.parent, root / "include", root / "fs", root / "tests/unit"):
        candidate = (base / header).resolve()
        if candidate.is_file() and candidate.is_relative_to(root):
            return candidate
    return None


def check_foreign(name, header):
    for pattern, places in FOREIGN:
        if re.fullmatch(pattern, header):
            if not any(re.fullmatch(p, name) for p in places):
                return f"<{header}> belongs into {' or '.join(places)} only"
            return None
    return None if SYSTEM.fullmatch(header) else f"<{header}> is a foreign header without a place in the plan"


def circles(graph):
    """The circles of a graph {node: set of nodes}, each as a list that begins and ends with the same node."""
    state, found, stack = {}, [], []

    def visit(node):
        state[node] = "open"
        stack.append(node)
        for to in sorted(graph.get(node, ())):
            if state.get(to) == "open":
                found.append(stack[stack.index(to):] + [to])
            elif to not in state:
                visit(to)
        stack.pop()
        state[node] = "done"

    for node in sorted(graph):
        if node not in state:
            visit(node)
    return found


def check(root):
    """Every violation below root, a line each, and how many files were looked at."""
    root = pathlib.Path(root).resolve()
    files = sorted(p for d in ("fs", "include", "tests/unit") for p in (root / d).rglob("*") if p.suffix in (".c", ".h", ".inc"))
    wrong, headers = [], {}
    for path in files:
        name = path.relative_to(root).as_posix()
        room = room_of(name)
        if room is not None and room not in SEES:
            wrong.append(f"{name}: {room} is no room of the house")
            continue
        for line, header, system in includes(path.read_text(encoding="utf-8", errors="replace")):
            where = f"{name}:{line}"
            if header is None:
                wrong.append(f"{where}: an #include that a macro makes up cannot be checked")
                continue
            target = None if system else resolve(root, path, header)
            if system or target is None:
                said = check_foreign(name, header) if system else f'"{header}" is not there'
                if said:
                    wrong.append(f"{where}: {said}")
                continue
            other = target.relative_to(root).as_posix()
            there = room_of(other)
            if room is None or there is None:
                continue  # what the tests share
            if there != room and there not in SEES[room]:
                wrong.append(f"{where}: {room} (floor {FLOOR[room]}) must not see {there} (floor {FLOOR.get(there, '?')}): {other}")
            if target.suffix == ".h" and path.suffix == ".h":
                headers.setdefault(name, set()).add(other)
    wrong += [f"headers in a circle: {' -> '.join(c)}" for c in circles(headers)]
    return wrong, len(files)


def check_plan():
    """The plan itself: a room sees lower floors only, and so there are no circles of rooms."""
    return [f"the plan lets {room} see {other}, which is no lower floor" for room, others in SEES.items() for other in others if FLOOR[other] >= FLOOR[room]]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    wrong, count = check(root)
    wrong = check_plan() + wrong
    if not count:
        wrong.append(f"no sources below {root}")
    for line in wrong:
        print(line)
    print(f"{count} files, {len(wrong)} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
