"""What scripts/bench runs: the tree of a fake API server's events on kevfs and, copied out of it, on tmpfs, under the tools that
people use. Needs nothing but Python; run by hand it needs --kevfs and --counter (see scripts/bench).

Every pass is checked: a tool that finds other files than on tmpfs ends the bench. Requests are counted (count_requests.c) by
daemons of their own, so that the timed ones are as they are installed.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "mount"))

from servers import Fake, Unavailable, run, wait_for

# The tree: pods in namespaces, with as many events each as a pod has that has just started.
NAMESPACES = 20
EVENTS_OF_A_POD = 5
NAMES_OF_A_POD = 7  # tests/fake/synth.go gives each number that it counts pods by so many, unless it counts by sevens

# What is searched for: one event in fifty has it, so that grep must read to the end of nearly every file.
TEXT = '"host": "node-7"'

# Below the directory, each into a pipe: into /dev/null, grep would stop at the first match and tar would not read. What
# comes out is counted (wc's option), and must be the same on both sides.
COMMANDS = {
    "ls -lR": (["ls", "-lR", "."], "-l"),
    "find -type f": (["find", ".", "-type", "f"], "-l"),
    "grep -r": (["grep", "-r", "-e", TEXT, "."], "-l"),
    "tar c": (["tar", "-c", "-f", "-", "."], "-c"),
}

# enum fuse_opcode, of what a file system that is read may be asked; anything else shows its number.
OPCODES = {1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 5: "READLINK", 14: "OPEN", 15: "READ", 17: "STATFS", 18: "RELEASE", 22: "GETXATTR", 23: "LISTXATTR", 25: "FLUSH", 26: "INIT",
           27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 34: "ACCESS", 36: "INTERRUPT", 38: "DESTROY", 39: "IOCTL", 40: "POLL", 42: "BATCH_FORGET", 44: "READDIRPLUS", 46: "LSEEK", 52: "STATX"}
KINDS = 64
APART = ("STATFS",)  # cannot be cached
UNANSWERED = ("FORGET", "BATCH_FORGET", "INTERRUPT")  # nobody waits for these

PASS_SECONDS = 1800  # no pass takes as long


class Failed(Exception):
    """What went wrong, in one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def mounted_types():
    """{mountpoint: type}"""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as f:
        return {line.split(" ")[1].encode().decode("unicode_escape"): line.split(" ")[2] for line in f}


def refaults():
    """How many pages of files the whole machine has had to read again because the kernel had dropped them. A kernel that is short of
    memory, or is told to give some back before that (DAMON), drops kevfs's as well, which is then asked for them again."""
    with contextlib.suppress(OSError):  # only root may have what each CPU counted added up
        pathlib.Path("/proc/sys/vm/stat_refresh").read_bytes()
    with open("/proc/vmstat", encoding="ascii") as f:
        return int(dict(line.split() for line in f).get("workingset_refault_file", 0))


class Requests:
    """What the daemons that count were asked: a file that they map."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(KINDS * 8))

    def now(self):
        return struct.unpack(f"={KINDS}Q", self.path.read_bytes())

    @staticmethod
    def between(before, after):
        """{opcode's name: how many}"""
        if after[0]:
            raise Failed(f"{after[0]} FUSE requests could not be understood: tests/bench/count_requests.c does not suit this libfuse or kernel")
        return {OPCODES.get(kind, f"opcode {kind}"): after[kind] - before[kind] for kind in range(1, KINDS) if after[kind] != before[kind]}


class Bench:
    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="kevfs-bench."))
        stack.callback(shutil.rmtree, self.work)
        self.cpu = max(os.sched_getaffinity(0)) if options.pin else None
        self.pinned = ["taskset", "-c", str(self.cpu)] if options.pin else []
        self.environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.work)}
        for name in list(self.environment):
            if name.lower().endswith("_proxy") or name in ("KUBECONFIG", "TAR_OPTIONS", "GREP_OPTIONS", "GREP_COLORS", "LS_COLORS", "POSIXLY_CORRECT"):
                del self.environment[name]
        self.requests = Requests(self.work / "counts")
        self.expected = {}
        self.fake = Fake(self.work / "fake")
        stack.callback(self.fake.close)
        pods = max(1, round(options.events / NAMESPACES / EVENTS_OF_A_POD / NAMES_OF_A_POD))
        self.fake.load(options.events, namespaces=NAMESPACES, pods=pods + (pods % NAMES_OF_A_POD == 0), makePods=True)

    # The two sides

    def tmpfs(self):
        """A directory on tmpfs with room for a copy: root's own; who may not mount takes it where the system has one."""
        need = self.options.events * 6144 + (64 << 20)
        if os.getuid() == 0:
            directory = self.work / "tmpfs"
            directory.mkdir()
            run("mount", "-t", "tmpfs", "-o", f"noatime,size={need},nr_inodes=0", "kevfs-bench", directory)
            self.stack.callback(run, "umount", "-l", directory)
            return directory
        types = mounted_types()
        for place in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
            if place and types.get(place) == "tmpfs" and os.access(place, os.W_OK) and (free := os.statvfs(place)).f_bavail * free.f_frsize > need:
                directory = pathlib.Path(tempfile.mkdtemp(prefix="kevfs-bench.", dir=place))
                self.stack.callback(shutil.rmtree, directory)
                self.stack.callback(run, "chmod", "-R", "u+w", directory)  # the copy's directories are as read-only as kevfs's
                return directory
        raise Failed(f"no tmpfs with {need >> 20} MB free that you may write to; root mounts one")

    @contextlib.contextmanager
    def kevfs(self, counting=False):
        """A fresh mount by a fresh daemon, which has synced and is at rest."""
        directory, log = self.work / "mnt", self.work / "kevfs.log"
        directory.mkdir(exist_ok=True)
        preload = ["env", f"LD_PRELOAD={self.options.counter}", f"KEVFS_BENCH_COUNTS={self.requests.path}"] if counting else []
        with open(log, "wb") as out:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self.pinned, *preload, self.options.kevfs, "-f", "-", directory], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env={**self.environment, "KUBECONFIG": self.fake.kubeconfig})
        try:
            wait_for(lambda: str(directory) in mounted_types() or process.poll() is not None, 300, 0.005)
            if process.poll() is not None or str(directory) not in mounted_types():
                raise Failed(f"kevfs does not mount: {log.read_text(errors='replace')[-500:].strip()}")
            if not wait_for(lambda: all(self.fake.watching(resource) for resource in ("events", "pods", "namespaces")), 60):
                raise Failed(f"kevfs does not watch: {log.read_text(errors='replace')[-500:].strip()}")
            os.statvfs(directory)  # is answered behind INIT, and lets the kernel know nothing of the tree
            yield directory
        finally:
            code = self.end(process, directory)
        if code:
            raise Failed(f"kevfs ended with {code}: {log.read_text(errors='replace')[-500:].strip()}")

    @staticmethod
    def end(process, directory):
        """Ends the daemon, which unmounts; returns its exit code."""
        process.terminate()
        try:
            code = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if str(directory) in mounted_types():
            run(*(["umount", "-l"] if os.getuid() == 0 else ["fusermount3", "-uz"]), directory)
        return code

    # One pass

    def once(self, name, directory):
        """Runs the command below directory, and checks what it says; returns the seconds it took."""
        words, unit = COMMANDS[name]
        start = time.monotonic()
        with subprocess.Popen([*self.pinned, *words], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.environment) as tool, \
                subprocess.Popen([*self.pinned, "wc", unit], stdin=tool.stdout, stdout=subprocess.PIPE, env=self.environment) as counter:
            tool.stdout.close()
            try:
                said = int(counter.communicate(timeout=PASS_SECONDS)[0] or 0)
                code = tool.wait(timeout=PASS_SECONDS)
            except BaseException:
                tool.kill()
                counter.kill()
                raise
            seconds = time.monotonic() - start
        if code:
            raise Failed(f"{name}: exit {code} in {directory}")
        # The first pass is on tmpfs, whose files were counted.
        if self.expected.setdefault(name, said) != said:
            what = {"-l": "lines", "-c": "bytes"}[unit]
            raise Failed(f"{name}: {said} {what} in {directory}, and {self.expected[name]} on tmpfs")
        return seconds

    # The whole

    def survey(self, directory):
        """What a walk finds: {"files", "directories", "objects", "bytes"}. Another number of files than events is an error."""
        tree = {"files": 0, "directories": 0, "objects": 0, "bytes": 0}
        for at, directories, names in os.walk(directory):
            files = [path for path in (os.path.join(at, name) for name in names) if not os.path.islink(path)]
            tree["files"] += len(files)
            tree["directories"] += 1
            tree["objects"] += "events" in directories and not os.path.islink(os.path.join(at, "events"))
            tree["bytes"] += sum(map(os.path.getsize, files))
        if tree["files"] != self.options.events:
            raise Failed(f"a walk finds {tree['files']} files in {directory}, and there are {self.options.events} events")
        return tree

    def copy(self):
        """The tree's copy on tmpfs: (directory, what both hold)."""
        target = self.tmpfs() / "tree"
        with self.kevfs() as source:
            tree = self.survey(source)
            run("cp", "-a", f"{source}/.", target, timeout=PASS_SECONDS)
        if (copied := self.survey(target)) != tree:
            raise Failed(f"the copy on tmpfs holds {copied}, and kevfs {tree}")
        for name in COMMANDS:
            self.once(name, target)
        if self.expected["find -type f"] != self.options.events:
            raise Failed(f"find finds {self.expected['find -type f']} files, and there are {self.options.events} events")
        return target, tree

    def count(self, name):
        """{"requests": {"cold" and "warm": {opcode's name: how many}}, "refaults": {"cold" and "warm": pages}}"""
        with self.kevfs(counting=True) as directory:
            looks = [(self.requests.now(), refaults())]
            for _ in range(2):
                self.once(name, directory)
                looks.append((self.requests.now(), refaults()))
        counted = {"requests": {}, "refaults": {}}
        for phase, before, after in (("cold", *looks[:2]), ("warm", *looks[1:])):
            counted["requests"][phase] = Requests.between(before[0], after[0])
            counted["refaults"][phase] = after[1] - before[1]
        if not counted["requests"]["cold"]:
            raise Failed(f"{name}: no request was counted: tests/bench/count_requests.c does not suit this libfuse or kernel")
        return counted

    def time(self, tmpfs):
        """{command: {"tmpfs", "cold" and "warm": [seconds]}}; the two sides take turns, so that a busy moment meets both."""
        taken = {name: {"tmpfs": [], "cold": [], "warm": []} for name in COMMANDS}
        for number in range(self.options.rounds):
            say(f"Round {number + 1} of {self.options.rounds}")
            for name, at in taken.items():
                with self.kevfs() as directory:
                    for phase in ("cold", "warm"):
                        at[phase].append(self.once(name, directory))
                        at["tmpfs"].append(self.once(name, tmpfs))
        return taken

    def run(self):
        say(f"Copying {self.options.events} events to tmpfs")
        tmpfs, tree = self.copy()
        say("Counting requests")
        counted = {name: self.count(name) for name in COMMANDS}
        taken = self.time(tmpfs)
        return {"tree": tree, "rounds": self.options.rounds, "pinned": self.options.pin, "kernel": platform.release(), "cpus": os.cpu_count(),
                "commands": {name: {**times(taken[name]), **counted[name], "per_file": per_file(counted[name]["requests"], tree["files"])} for name in COMMANDS}}


def times(taken):
    """A command's times, their medians, and those of kevfs over that of tmpfs."""
    median = {what: statistics.median(seconds) for what, seconds in taken.items()}
    return {"seconds": taken, "median": median, "ratio": {phase: median[phase] / median["tmpfs"] for phase in ("cold", "warm")}}


def per_file(requests, files):
    """A command's requests that somebody waited for by the number of files; statfs apart."""
    def of(kinds):
        waited = sum(n for kind, n in kinds.items() if kind not in (*APART, *UNANSWERED))
        return {"requests": waited / files, "statfs": sum(kinds.get(kind, 0) for kind in APART) / files}
    return {phase: of(kinds) for phase, kinds in requests.items()}


def share(value):
    """Not "0.000" for what is more than nothing."""
    return "0" if value == 0 else "<0.001" if value < 0.001 else f"{value:.3f}"


def table(result):
    """The lines for people."""
    tree, row = result["tree"], "{:14}{:>8}{:>9}{:>9}{:>10}{:>7}{:>20}{:>18}"
    yield f"{tree['files']} events of {tree['bytes'] // tree['files']} bytes, of {tree['objects']} objects; {'pinned to one CPU' if result['pinned'] else 'on any CPU'}, medians of {result['rounds']}"
    yield ""
    yield row.format("", "tmpfs", "kevfs", "", "x tmpfs", "", "FUSE requests", "a file (statfs)")
    yield row.format("", "s", "cold s", "warm s", "cold", "warm", "cold", "warm")
    for name, c in result["commands"].items():
        requests = (f"{share(c['per_file'][phase]['requests'])} ({share(c['per_file'][phase]['statfs'])})" for phase in ("cold", "warm"))
        yield row.format(name, *(f"{c['median'][what]:.3f}" for what in ("tmpfs", "cold", "warm")), *(f"{c['ratio'][phase]:.2f}" for phase in ("cold", "warm")), *requests)
    yield ""
    yield "All requests:"
    for name, c in result["commands"].items():
        for phase, kinds in c["requests"].items():
            dropped = f"; pages that the kernel had dropped: {c['refaults'][phase]}" if phase == "warm" and c["refaults"][phase] else ""
            yield f"  {name + ', ' + phase:22}" + (", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items(), key=lambda k: -k[1])) or "none") + dropped


def parse():
    parser = argparse.ArgumentParser(description="see scripts/bench")
    parser.add_argument("--kevfs", required=True)
    parser.add_argument("--counter", required=True)
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--json")
    return parser.parse_args()


def on_signal(number, _):
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)  # what comes now is clearing away
    sys.exit(128 + number)


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    if options.json and not os.access(os.path.dirname(os.path.abspath(options.json)), os.W_OK):
        raise Failed(f"cannot write {options.json}")
    with contextlib.ExitStack() as stack:
        result = Bench(options, stack).run()
    print("\n".join(table(result)))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (Failed, Unavailable, AssertionError, OSError, subprocess.SubprocessError) as e:
        sys.exit(f"bench: {e}")
