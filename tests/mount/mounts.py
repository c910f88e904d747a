"""kevfs under test: starting it, looking at what it mounted, ending it, and reading what it said."""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import stat
import subprocess
import time

from servers import run, wait_for
from watchdog import arguments, daemons, mounts

# What valgrind says of seccomp(2), which it does not know, and what kevfs says of that.
VALGRIND = re.compile(r"^--\d+-- .*\n|^.*keeps rights that it does not need: Function not implemented\n", re.M)

# As libfuse's own tests do: a daemon that says one of these has failed, whatever its exit code.
SUSPICIOUS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|UndefinedBehavior|runtime error:|SUMMARY:|detected memory leak|[Aa]ssertion|"
                        r"Segmentation|core dumped|stack smashing|double free|corrupt|Bad magic|ERROR SUMMARY: [1-9]|definitely lost: [1-9]|Invalid (read|write) of size")


def find_kevfs(directory):
    """The binary under test, copied below directory, where every user may run it."""
    given, build = os.environ.get("KEVFS_BIN"), os.environ.get("KEVFS_BUILD")
    found = pathlib.Path(given) if given else pathlib.Path(build) / "fs/kevfs" if build else None
    if not found or not found.is_file():
        raise AssertionError(f"kevfs is not there ({found}): set KEVFS_BIN to the binary, or KEVFS_BUILD to meson's build directory")
    target = shutil.copy(found, pathlib.Path(directory) / "kevfs")
    os.chmod(directory, 0o755)
    os.chmod(target, 0o755)
    return target


def version(text):
    return int(json.loads(text)["metadata"]["resourceVersion"])


def is_mounted(point):
    return any(p == str(point) for p, _ in mounts(os.path.dirname(str(point))))


def as_user(uid):
    """What a command begins with to run as another user."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid is not None else []


# The links into .kevfs that a directory lists besides its members, by its depth.
LINKS = {0: {"events.log", "events.jsonl"}, 1: {"by-node", "by-reason", "by-type", "events", "events.log", "events.jsonl"}, 3: {"events.log"}}


class MetTwice(AssertionError):
    """A walk has met an event at two places."""


class Workspace:
    """The session's directory; everything of the tests is below it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.count = 0

    def new_directory(self, what, mode=0o755):
        self.count += 1
        path = self.directory / f"{what}{self.count}"
        path.mkdir()
        path.chmod(mode)
        return path


class Session:
    """What all mounts of a test session share: the binary, the directory, the environment."""

    def __init__(self, workspace):
        self.directory, self.new_directory = workspace.directory, workspace.new_directory
        self.binary = find_kevfs(self.directory / "bin")
        self.wrapper = shlex.split(os.environ.get("KEVFS_WRAPPER", ""))
        self.reports = self.directory / "reports"
        self.reports.mkdir()
        self.reports.chmod(0o777)
        log = f"log_path={self.reports}/sanitizer"
        self.environment = {**os.environ, "HOME": str(self.directory), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        for name, more in (("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1"), ("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1"), ("TSAN_OPTIONS", "halt_on_error=0:second_deadlock_stack=1")):
            self.environment[name] = ":".join(filter(None, [os.environ.get(name), more, log]))
        for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            self.environment.pop(name, None)

    def take_reports(self):
        """What sanitizers wrote since the last time."""
        said = ""
        for report in self.reports.iterdir():
            said += report.read_text(errors="replace")
            report.unlink()
        return said


class Mount:
    """kevfs on a directory of its own. In the foreground unless background, where it must come up within 30 s. Where refused, it
    must not: .returncode and .stderr then say how it ended."""

    def __init__(self, session, source="-", options=(), *, kubeconfig=None, background=False, refused=False, user=None, environment=None, arguments=(), directory=None, delayed=False, stdin=subprocess.DEVNULL):
        self.session, self.source, self.user = session, source, user
        self.directory = pathlib.Path(directory) if directory else session.new_directory("mnt")
        if user is not None and not directory:
            os.chown(self.directory, user, user)
        self.dir = str(self.directory)
        self.own = not directory
        self.log = session.directory / f"log-{self.directory.name}"
        self.background, self.refused = background, refused
        o = ",".join(options)
        command = [*as_user(user), *session.wrapper, session.binary, *(() if background else ["-f"]), *arguments, *(["-o", o] if o else []), source, self.dir]
        self.environment = {**session.environment, **({"KUBECONFIG": kubeconfig} if kubeconfig else {}), **(environment or {})}
        start = time.monotonic()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdin=stdin, stdout=log, stderr=log, env=self.environment, cwd=session.directory)
        if background or refused:
            self.returncode = self.process.wait(45)
        else:
            wait_for(lambda: is_mounted(self.dir) or self.process.poll() is not None, 40, 0.005)
            self.returncode = self.process.poll()
        self.seconds = time.monotonic() - start
        if refused:
            return
        if self.returncode not in (None, 0) or not is_mounted(self.dir):
            said = self.said()
            self.close()
            raise AssertionError(f"kevfs does not mount: exit {self.returncode}: {said[-2000:]}")

    def said(self):
        said = self.log.read_text(errors="replace")
        if self.session.wrapper:
            said = VALGRIND.sub("", said)
        return said

    def pid(self):
        """The process that serves: of its children where a wrapper stands before it."""
        if not self.background and not self.session.wrapper and self.user is None:
            return self.process.pid
        return next(p for p in daemons(self.directory.parent) if self.dir in open(f"/proc/{p}/cmdline", encoding="utf-8", errors="replace").read().split("\0"))

    def unmount(self):
        if self.user is not None:
            return run(*as_user(self.user), "fusermount3", "-u", self.dir, check=False)
        return run("umount", self.dir, check=False)

    def wait_end(self, seconds=20):
        """Waits until the process is gone; returns its exit code (of a background one: 0)."""
        if not self.background:
            return self.process.wait(seconds)
        assert wait_for(lambda: not any(self.dir.encode() in arguments(p) for p in daemons(self.directory.parent)), seconds), "kevfs lives on"
        return 0

    def close(self):
        """Unmounts if need be, waits for the end, and reads what was said; raises if that is not as it should be."""
        problems = []
        if is_mounted(self.dir):
            r = self.unmount()
            if r.returncode:
                problems.append(f"umount: {r.stderr.decode(errors='replace')}")
                run("umount", "-l", self.dir, check=False)
        try:
            code = self.wait_end()
            if code and not self.refused:
                problems.append(f"exit {code}")
        except (subprocess.TimeoutExpired, AssertionError):
            problems.append("kevfs did not end within 20 s")
            with contextlib.suppress(ProcessLookupError, StopIteration):
                os.kill(self.pid(), signal.SIGKILL)
            self.process.wait(5)
        said = self.said() + self.session.take_reports()
        if SUSPICIOUS.search(said):
            problems.append(f"suspicious output:\n{said[-20000:]}")
        if is_mounted(self.dir):
            problems.append("still mounted")
            run("umount", "-l", self.dir, check=False)
        if self.own:
            with contextlib.suppress(OSError):
                self.directory.rmdir()
        if problems:
            raise AssertionError(f"{self.dir}: " + "; ".join(problems) + f"\n{said[-3000:]}")

    # What is in it

    def files(self):
        """Every regular file that a walk finds: [path as bytes]."""
        return [os.path.join(d, n) for d, _, names in os.walk(os.fsencode(self.dir)) for n in names if stat.S_ISREG(os.lstat(os.path.join(d, n)).st_mode)]

    def events(self):
        """{(namespace, true name): (path, content)} of every event that a walk meets; each must be met once."""
        found = {}
        for d, _, names in os.walk(os.fsencode(self.dir)):
            for n in names:
                path = os.path.join(d, n)
                try:
                    if not stat.S_ISREG(os.lstat(path).st_mode):
                        continue
                    with open(path, "rb") as f:
                        content = f.read()
                except FileNotFoundError:  # deleted meanwhile
                    continue
                meta = json.loads(content)["metadata"]
                key = meta["namespace"], meta["name"]
                if key in found:
                    raise MetTwice(f"{key} is at {found[key][0]} and at {path}")
                found[key] = path, content
        return found

    def differences(self, server):
        """What a walk finds against kubectl's output: [(what, key)], and how many there were. Real components go on writing while
        the walk lasts: what is newer than all that kubectl saw cannot be held against it."""
        want = server.oracle()
        try:
            got = self.events()
        except MetTwice as twice:  # it may be that it was moved from one object to another during the walk
            return [("twice", str(twice))], len(want)
        if server.name == "real":
            last = max(map(version, want.values()), default=0)
            newer = {k for k, (_, text) in got.items() if version(text) > last}
            want, got = [{k: v for k, v in events.items() if k not in newer} for events in (want, got)]
        wrong = [("missing", k) for k in want if k not in got] + [("extra", k) for k in got if k not in want]
        return wrong + [("differs", k) for k in want if k in got and got[k][1] != want[k]], len(want)

    def settle(self, server, seconds=15):
        """Asserts that the tree equals what kubectl says, at one of several looks (real components go on writing). Returns how
        many events there are."""
        looks = []

        def look():
            looks.append(self.differences(server))
            return not looks[-1][0]
        wait_for(look, seconds, 0.3)
        wrong, count = looks[-1]
        assert not wrong, f"{len(wrong)} of {count} differ: {wrong[:5]}\n{self.said()[-2000:]}"
        return count

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def members(self, *parts):
        """What the directory lists, sorted, without our links, which must all be there."""
        names = set(os.listdir(self.path(*parts)))
        links = LINKS.get(len([p for p in "/".join(parts).split("/") if p]), set())
        assert links <= names, names
        return sorted(names - links)

    def tree(self):
        """[path below the mountpoint] of everything a walk meets, links with their target."""
        found = []
        for d, dirs, names in os.walk(self.dir):
            for n in dirs + names:
                p = os.path.join(d, n)
                found.append(os.path.relpath(p, self.dir) + (" -> " + os.readlink(p) if os.path.islink(p) else ""))
        return sorted(found)
