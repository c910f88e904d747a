"""Part reads: people's tools on the tree of a fake API server's events, on kevfs and, copied out of it, on tmpfs and ext4.

Every pass is checked: a tool that finds other files than on tmpfs ends the bench. Requests are counted (count_requests.c) by
daemons of their own, so that the timed ones are as they are installed.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from common import COMMAND_SECONDS, Failed, Figure, Panel, Requests, Skipped, median, mounted_types, run, say, share, wait_watching

# What is searched for: one event in fifty has it, so that grep must read to the end of nearly every file.
TEXT = '"host": "node-7"'

# Below the directory, each into a pipe: into /dev/null, grep would stop at the first match and tar would not read. What
# comes out is counted (wc's option), and must be the same on all sides. TARGET is an empty directory on tmpfs.
TARGET = "TARGET"
COMMANDS = {
    "ls -lR": (["ls", "-lR", "."], "-l"),
    "find -type f": (["find", ".", "-type", "f"], "-l"),
    "du": (["du", "-a", "."], "-l"),
    "grep -r": (["grep", "-r", "-e", TEXT, "."], "-l"),
    "rg": (["rg", "-e", TEXT, "."], "-l"),
    "tar c": (["tar", "-c", "-f", "-", "."], "-c"),
    "rsync -a": (["rsync", "-ai", ".", TARGET], "-l"),
}

# Issue 7's.
WARM_BAR, COLD_BAR, COLD_BAR_PINNED = 1.15, 4, 2.0
WITH_WARM_BAR, WITH_COLD_BAR = ("grep -r", "find -type f", "tar c", "ls -lR"), ("grep -r",)

APART = ("STATFS",)  # cannot be cached
UNANSWERED = ("FORGET", "BATCH_FORGET", "INTERRUPT")  # nobody waits for these

FILE_SPACE, INODE_SPACE = 6144, 512  # what a file takes at most; on ext4, its inode apart


def refaults():
    """How many pages of files the whole machine has had to read again because the kernel had dropped them. A kernel that is short of
    memory, or is told to give some back before that (DAMON), drops kevfs's as well, which is then asked for them again."""
    with contextlib.suppress(OSError):  # only root may have what each CPU counted added up
        pathlib.Path("/proc/sys/vm/stat_refresh").read_bytes()
    with open("/proc/vmstat", encoding="ascii") as f:
        return int(dict(line.split() for line in f).get("workingset_refault_file", 0))


class Ext4:
    """A file system of its own in a file, mounted through a loop device; only root can. Mounted anew, it is cold."""

    def __init__(self, bench, files, stack):
        if os.getuid() != 0:
            raise Skipped("only root mounts one")
        self.image, self.directory = bench.work / "ext4.img", bench.work / "ext4"
        self.directory.mkdir()
        need = files * (FILE_SPACE + INODE_SPACE) + (64 << 20)
        if shutil.disk_usage(bench.work).free < need:
            raise Skipped(f"{bench.work.parent} has no {need >> 20} MB free")
        with open(self.image, "wb") as f:
            f.truncate(need)
        run("mkfs.ext4", "-q", "-N", files * 2 + 1000, "-O", "^has_journal", self.image)
        self.mounted = False
        stack.callback(self.umount)
        try:
            self.mount()
        except AssertionError as e:
            raise Skipped(f"there is no loop device: {e}") from e

    def mount(self):
        run("mount", "-o", "loop,noatime", self.image, self.directory)
        self.mounted = True

    def umount(self):
        if self.mounted:
            run("umount", self.directory)
            self.mounted = False

    def cool(self):
        """What the kernel knows of it, and of the file that it is in, is forgotten; the rest of the machine's caches stay."""
        self.umount()
        with open(self.image, "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.mount()


class Reads:
    def __init__(self, bench, stack):
        self.bench, self.stack = bench, stack
        self.events = bench.options.events
        self.expected = {}
        self.fake = bench.fake(self.events, stack)
        self.without = {name: "it is not installed" for name, (words, _) in COMMANDS.items() if not shutil.which(words[0])}
        self.commands = {name: how for name, how in COMMANDS.items() if name not in self.without}

    # The sides

    def tmpfs(self):
        """A directory on tmpfs with room for two copies: root's own; who may not mount takes it where the system has one."""
        need = 2 * self.events * FILE_SPACE + (64 << 20)
        if os.getuid() == 0:
            directory = self.bench.work / "tmpfs"
            directory.mkdir()
            run("mount", "-t", "tmpfs", "-o", f"noatime,size={need},nr_inodes=0", "kevfs-bench", directory)
            self.stack.callback(run, "umount", "-l", directory)
            return directory
        types = mounted_types()
        for place in ("/dev/shm", os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
            if place and types.get(place) == "tmpfs" and os.access(place, os.W_OK) and (free := os.statvfs(place)).f_bavail * free.f_frsize > need:
                return self.bench.directory(place)
        raise Failed(f"no tmpfs with {need >> 20} MB free that you may write to; root mounts one")

    @contextlib.contextmanager
    def kevfs(self, counting=False):
        """A fresh mount which is at rest: (its directory, its daemon)."""
        with self.bench.kevfs(self.fake.kubeconfig, pinned=self.bench.pinned, counting=counting) as daemon:
            wait_watching(self.fake)
            os.statvfs(daemon.directory)  # is answered behind INIT, and lets the kernel know nothing of the tree
            yield daemon.directory

    # One pass

    def once(self, name, directory):
        """Runs the command below directory, and checks what it says; returns the seconds it took."""
        words, unit = self.commands[name]
        target = self.tmp / "target"
        target.mkdir(exist_ok=True)
        seconds, said = self.timed([str(target) if word == TARGET else word for word in words], unit, directory, name)
        if TARGET in words:
            run("chmod", "-R", "u+w", target)
            shutil.rmtree(target)
        # The first pass is on tmpfs, whose files were counted.
        if self.expected.setdefault(name, said) != said:
            what = {"-l": "lines", "-c": "bytes"}[unit]
            raise Failed(f"{name}: {said} {what} in {directory}, and {self.expected[name]} on tmpfs")
        return seconds

    def timed(self, words, unit, directory, name):
        """(seconds, what wc counts of what it says)"""
        pinned, environment = self.bench.pinned, self.bench.environment
        start = time.monotonic()
        with subprocess.Popen([*pinned, *words], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as tool, \
                subprocess.Popen([*pinned, "wc", unit], stdin=tool.stdout, stdout=subprocess.PIPE, env=environment) as counter:
            tool.stdout.close()
            try:
                said = int(counter.communicate(timeout=COMMAND_SECONDS)[0] or 0)
                code = tool.wait(timeout=COMMAND_SECONDS)
            except BaseException:
                tool.kill()
                counter.kill()
                raise
            seconds = time.monotonic() - start
        if code:
            raise Failed(f"{name}: exit {code} in {directory}")
        return seconds, said

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
        if tree["files"] != self.events:
            raise Failed(f"a walk finds {tree['files']} files in {directory}, and there are {self.events} events")
        return tree

    def copy(self):
        """The tree's copy on tmpfs; what all sides hold."""
        self.tmp = self.tmpfs()
        target = self.tmp / "tree"
        with self.kevfs() as source:
            tree = self.survey(source)
            run("cp", "-a", f"{source}/.", target, timeout=COMMAND_SECONDS)
        if (copied := self.survey(target)) != tree:
            raise Failed(f"the copy on tmpfs holds {copied}, and kevfs {tree}")
        for name in self.commands:
            self.once(name, target)
        if self.expected["find -type f"] != self.events:
            raise Failed(f"find finds {self.expected['find -type f']} files, and there are {self.events} events")
        return tree

    def copy_ext4(self, tree):
        """The same on ext4; None where that cannot be."""
        try:
            ext4 = Ext4(self.bench, tree["files"] + 2 * tree["directories"], self.stack)
        except Skipped as e:
            self.without["ext4"] = str(e)
            return None
        run("cp", "-a", self.tmp / "tree", ext4.directory, timeout=COMMAND_SECONDS)
        return ext4

    def count(self, name):
        """{"requests": {"cold" and "warm": {opcode's name: how many}}, "refaults": {"cold" and "warm": pages}}"""
        with self.kevfs(counting=True) as directory:
            looks = [(self.bench.requests.now(), refaults())]
            for _ in range(2):
                self.once(name, directory)
                looks.append((self.bench.requests.now(), refaults()))
        counted = {"requests": {}, "refaults": {}}
        for phase, before, after in (("cold", *looks[:2]), ("warm", *looks[1:])):
            counted["requests"][phase] = Requests.between(before[0], after[0])
            counted["refaults"][phase] = after[1] - before[1]
        if not counted["requests"]["cold"]:
            raise Failed(f"{name}: no request was counted: tests/bench/count_requests.c does not suit this libfuse or kernel")
        return counted

    def time(self, ext4):
        """{command: {"tmpfs", "cold", "warm", "ext4 cold" and "ext4 warm": [seconds]}}; the sides take turns, so that a busy moment
        meets all."""
        sides = ["tmpfs", "cold", "warm"] + (["ext4 cold", "ext4 warm"] if ext4 else [])
        taken = {name: {side: [] for side in sides} for name in self.commands}
        for number in range(self.bench.options.rounds):
            say(f"Round {number + 1} of {self.bench.options.rounds}")
            for name, at in taken.items():
                with self.kevfs() as directory:
                    for phase in ("cold", "warm"):
                        at[phase].append(self.once(name, directory))
                        at["tmpfs"].append(self.once(name, self.tmp / "tree"))
                if ext4:
                    ext4.cool()
                    for phase in ("ext4 cold", "ext4 warm"):
                        at[phase].append(self.once(name, ext4.directory / "tree"))
        return taken

    def run(self):
        say(f"Copying {self.events} events to tmpfs")
        tree = self.copy()
        ext4 = self.copy_ext4(tree)
        say("Counting requests")
        counted = {name: self.count(name) for name in self.commands}
        taken = self.time(ext4)
        return {"tree": tree, "pinned": self.bench.options.pin, "without": self.without,
                "commands": {name: {**times(taken[name]), **counted[name], "per_file": per_file(counted[name]["requests"], tree["files"])} for name in self.commands}}


def measure(bench):
    with contextlib.ExitStack() as stack:
        return Reads(bench, stack).run()


def times(taken):
    """A command's times, their medians, and those medians over that of tmpfs."""
    middle = {side: median(seconds) for side, seconds in taken.items()}
    return {"seconds": taken, "median": middle, "ratio": {side: middle[side] / middle["tmpfs"] for side in taken if side != "tmpfs"}}


def per_file(requests, files):
    """A command's requests that somebody waited for by the number of files; statfs apart."""
    def of(kinds):
        waited = sum(n for kind, n in kinds.items() if kind not in (*APART, *UNANSWERED))
        return {"requests": waited / files, "statfs": sum(kinds.get(kind, 0) for kind in APART) / files}
    return {phase: of(kinds) for phase, kinds in requests.items()}


def table(result):
    tree, row = result["tree"], "{:14}{:>8}{:>9}{:>9}{:>7}{:>7}{:>9}{:>9}{:>18}{:>16}"
    yield f"{tree['files']} events of {tree['bytes'] // tree['files']} bytes, of {tree['objects']} objects; {'pinned to one CPU' if result['pinned'] else 'on any CPU'}"
    yield ""
    yield row.format("", "tmpfs", "kevfs", "", "x tmpfs", "", "ext4", "", "FUSE requests", "a file (statfs)").rstrip()
    yield row.format("", "s", "cold s", "warm s", "cold", "warm", "cold s", "warm s", "cold", "warm")
    for name, c in result["commands"].items():
        requests = (f"{share(c['per_file'][phase]['requests'])} ({share(c['per_file'][phase]['statfs'])})" for phase in ("cold", "warm"))
        ext4 = (f"{c['median'][side]:.3f}" if side in c["median"] else "-" for side in ("ext4 cold", "ext4 warm"))
        yield row.format(name, *(f"{c['median'][what]:.3f}" for what in ("tmpfs", "cold", "warm")), *(f"{c['ratio'][phase]:.2f}" for phase in ("cold", "warm")), *ext4, *requests)
    for what, why in result["without"].items():
        yield f"without {what}: {why}"
    yield ""
    yield "All requests:"
    for name, c in result["commands"].items():
        for phase, kinds in c["requests"].items():
            dropped = f"; pages that the kernel had dropped: {c['refaults'][phase]}" if phase == "warm" and c["refaults"][phase] else ""
            yield f"  {name + ', ' + phase:22}" + (", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items(), key=lambda k: -k[1])) or "none") + dropped


def figures(result):
    where = "one CPU" if result["pinned"] else "any CPU"
    for name, c in result["commands"].items():
        if name in WITH_WARM_BAR:
            yield Figure(f"warm {name} vs tmpfs, {where}", c["ratio"]["warm"], WARM_BAR)
        if name in WITH_COLD_BAR:
            yield Figure(f"cold {name} vs tmpfs, {where}", c["ratio"]["cold"], COLD_BAR_PINNED if result["pinned"] else COLD_BAR)


def panels(result):
    for phase in ("warm", "cold"):
        bars = []
        for name, c in result["commands"].items():
            bars.append((f"{name}, kevfs", c["ratio"][phase], True))
            if f"ext4 {phase}" in c["ratio"]:
                bars.append((f"{name}, ext4", c["ratio"][f"ext4 {phase}"], False))
        yield Panel(f"{phase}, as multiples of tmpfs", "x", bars)
