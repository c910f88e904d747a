"""What all parts of scripts/bench share: the place where they run, the daemons that they mount, and what a process takes.

A part is a module with
    measure(bench)  -> what was measured, as JSON has it; raises Skipped where it cannot be
    table(result)   -> the lines for people
    figures(result) -> [Figure]: what stands against a bar
    panels(result)  -> [Panel]: what the plot shows
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(TESTS / "mount"), str(TESTS / "faults")]

from servers import Fake, run, wait_for

# The tree: pods in namespaces, with as many events each as a pod has that has just started.
NAMESPACES = 20
EVENTS_OF_A_POD = 5
NAMES_OF_A_POD = 7  # tests/fake/synth.go gives each number that it counts pods by so many, unless it counts by sevens

COMMAND_SECONDS = 1800  # nothing takes as long


class Failed(Exception):
    """What went wrong, in one line."""


class Skipped(Exception):
    """Why something cannot be measured here, in one line."""


@dataclasses.dataclass
class Figure:
    """A number against its bar (of the project's issue 7)."""
    what: str
    value: float
    bar: float
    unit: str = ""
    at_least: bool = False

    def met(self):
        return self.value >= self.bar if self.at_least else self.value <= self.bar


@dataclasses.dataclass
class Panel:
    """Bars of one unit: [(label, value, whether it is kevfs's)]."""
    title: str
    unit: str
    bars: list


def say(text):
    print(text, file=sys.stderr, flush=True)


def mounted_types():
    """{mountpoint: type}"""
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as f:
        return {line.split(" ")[1].encode().decode("unicode_escape"): line.split(" ")[2] for line in f}


def median(values):
    return statistics.median(values)


def share(value):
    """Not "0.000" for what is more than nothing."""
    return "0" if value == 0 else "<0.001" if value < 0.001 else f"{value:.3f}"


def mega(size):
    return f"{size / 1e6:.0f}" if size >= 1e7 else f"{size / 1e6:.1f}"


# What a process takes

def cpu_seconds(pid):
    """User and system, of all its threads, also those that have ended: its clock, as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid, what):
    """VmRSS or VmHWM, the peak, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith(what + ":"))


def forget_peak(pid):
    """From now on, VmHWM is the peak since now."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


# FUSE requests

# enum fuse_opcode, of what a file system that is read may be asked; anything else shows its number.
OPCODES = {1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 5: "READLINK", 14: "OPEN", 15: "READ", 17: "STATFS", 18: "RELEASE", 22: "GETXATTR", 23: "LISTXATTR", 25: "FLUSH", 26: "INIT",
           27: "OPENDIR", 28: "READDIR", 29: "RELEASEDIR", 34: "ACCESS", 36: "INTERRUPT", 38: "DESTROY", 39: "IOCTL", 40: "POLL", 42: "BATCH_FORGET", 44: "READDIRPLUS", 46: "LSEEK", 52: "STATX"}
KINDS = 64


class Requests:
    """What the daemons that count (count_requests.c) were asked: a file that they map."""

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


class Daemon:
    """kevfs, mounted: its first sync is complete. seconds, cpu and peak are what that took."""

    def __init__(self, process, directory, start):
        self.process, self.pid, self.directory = process, process.pid, directory
        self.seconds = time.monotonic() - start
        self.cpu, self.peak = cpu_seconds(self.pid), memory(self.pid, "VmHWM")

    def cpu_now(self):
        return cpu_seconds(self.pid)

    def memory(self, what):
        return memory(self.pid, what)

    def status(self):
        return json.loads((self.directory / ".kevfs/status").read_bytes())

    def metric(self, name):
        """A metric's samples, added up."""
        lines = (self.directory / ".kevfs/metrics").read_text(encoding="utf-8").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


# What ends the bench: an exception, anywhere. subprocess.Popen() may so be left between the child's start and its return, and then
# nobody knows of the child: what is left in the end is looked for, not remembered.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_SECONDS = 120  # a control plane takes a while


@contextlib.contextmanager
def undisturbed():
    """Nothing ends the bench in here: that waits."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def children():
    """This process's own, also those that have ended and were not waited for."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = pathlib.Path(f"/proc/{pid}/stat").read_bytes()
            if int(stat.rpartition(b")")[2].split()[1]) == os.getpid():
                yield int(pid)


def signal_child(pid, number):
    """And who is in its process group, if it leads one."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, number)


def end_children():
    """All of them, before it returns. A control plane's keeper takes care of what it has started (plane.py)."""
    deadline = time.monotonic() + END_SECONDS
    for pid in children():
        signal_child(pid, signal.SIGTERM)
    while left := list(children()):
        for pid in left:
            if time.monotonic() > deadline:
                signal_child(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(.01)


def clear_away(directory):
    """Removes it, with what is mounted there and what still writes there."""
    with undisturbed():
        end_children()
        for mountpoint in sorted(mounted_types(), reverse=True):
            if mountpoint.startswith(f"{directory}/"):
                umount(mountpoint)
        for parent, _, _ in os.walk(directory):
            os.chmod(parent, 0o700)  # copies of a tree that is read-only
        shutil.rmtree(directory)


class Bench:
    """The place: a directory, an environment, and what is started there. What the stack holds ends with it."""

    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        self.work = self.directory()
        self.pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if options.pin else []
        self.environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.work)}
        for name in list(self.environment):
            if name.lower().endswith("_proxy") or name in ("KUBECONFIG", "TAR_OPTIONS", "GREP_OPTIONS", "GREP_COLORS", "LS_COLORS", "POSIXLY_CORRECT", "RIPGREP_CONFIG_PATH"):
                del self.environment[name]
        self.requests = Requests(self.work / "counts")
        self.fakes = 0

    def directory(self, place=None):
        """A new one, which goes in the end."""
        with undisturbed():
            made = pathlib.Path(tempfile.mkdtemp(prefix="kevfs-bench.", dir=place))
            self.stack.callback(clear_away, made)
        return made

    def fake(self, events, stack, *arguments, namespaces=NAMESPACES, pods=None):
        """A fake API server with so many events, and with pods (in each namespace; not given, what so many events are of), which ends with stack."""
        self.fakes += 1
        server = Fake(self.work / f"fake{self.fakes}", *arguments)
        stack.callback(server.close)
        if pods is None:
            pods = max(1, round(events / namespaces / EVENTS_OF_A_POD / NAMES_OF_A_POD))
            pods += pods % NAMES_OF_A_POD == 0
        server.load(events, namespaces=namespaces, pods=pods, makePods=pods > 0)
        return server

    def usage(self, *command, stdout=subprocess.DEVNULL, **environment):
        """Runs command: {"wall", "cpu" (seconds), "peak" (bytes)}, and what it said where stdout is a pipe."""
        taken = self.work / "usage"
        with open(self.work / "said", "w+b") as said:
            process = subprocess.Popen([self.options.usage, taken, *map(str, command)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=said, env={**self.environment, **environment})
            try:
                out = process.communicate(timeout=COMMAND_SECONDS)[0]
            except BaseException:
                process.kill()
                process.wait()
                raise
            if process.returncode:
                said.seek(0)
                raise Failed(f"{' '.join(map(str, command))[:100]}: exit {process.returncode}: {said.read()[-300:].decode(errors='replace').strip()}")
        wall, cpu, peak = map(float, taken.read_text().split())
        return {"wall": wall, "cpu": cpu, "peak": int(peak)}, out

    @contextlib.contextmanager
    def kevfs(self, kubeconfig, *, pinned=(), counting=False):
        """A fresh mount by a fresh daemon, which has synced."""
        directory, log = self.work / "mnt", self.work / "kevfs.log"
        directory.mkdir(exist_ok=True)
        preload = ["env", f"LD_PRELOAD={self.options.counter}", f"KEVFS_BENCH_COUNTS={self.requests.path}"] if counting else []

        def said():
            return log.read_text(errors="replace")[-500:].strip()
        with open(log, "wb") as out:
            start = time.monotonic()
            process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *pinned, *preload, self.options.kevfs, "-f", "-", directory], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env={**self.environment, "KUBECONFIG": kubeconfig})
        try:
            if not is_mounted_by(process, directory):
                raise Failed(f"kevfs does not mount: {said()}")
            yield Daemon(process, directory, start)
        finally:
            code = end(process, directory)
        if code:
            raise Failed(f"kevfs ended with {code}: {said()}")


def is_mounted_by(process, directory, seconds=600):
    """Whether process mounts directory in that time. The kernel tells of each new mount: nobody has to look again and again."""
    deadline = time.monotonic() + seconds
    with open("/proc/self/mounts", "rb") as table:
        changed = select.poll()
        changed.register(table, select.POLLERR | select.POLLPRI)
        while str(directory) not in mounted_types():
            if process.poll() is not None or time.monotonic() > deadline:
                return False
            changed.poll(200)
    return True


def umount(directory):
    run(*(["umount", "-l"] if os.getuid() == 0 else ["fusermount3", "-uz"]), directory)


def end(process, directory):
    """Ends the daemon, which unmounts; returns its exit code."""
    process.terminate()
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if str(directory) in mounted_types():
        umount(directory)
    return code


def wait_watching(server):
    """Until the mount on a fake server follows it."""
    if not wait_for(lambda: all(server.watching(resource) for resource in ("events", "pods", "namespaces")), 60):
        raise Failed("kevfs does not watch")
