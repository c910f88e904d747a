"""Backups that miss nothing, with the tools that people have: each incremental, across remounts, against the server's own list.

What is hard is an update of equal size: the name is the same, and so is the mtime that comes from it.
"""
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

from events import event, new_name, stamp
from reports import status
from servers import run, wait_for

EVENTS, UPDATES = 600, 500
TAR_MARGIN = 3  # seconds; of who has the server's clock, and no other's


class World:
    """A server, one directory to mount it on, and what changed since it was asked last."""

    def __init__(self, server, mount, directory, *options):
        self.server, self.make, self.directory, self.options = server, mount, directory, options
        self.random = random.Random(7)
        self.count = 0
        self.mine = [self.event(new_name(f"pod-{i % 20}"), f"pod-{i % 20}") for i in range(EVENTS)]
        self.send("create", self.mine)
        self.mount = None
        self.remount()

    @staticmethod
    def event(name, pod):
        """As a recorder wrote it long ago: no two of the things that tools look at may happen to differ."""
        first = "2026-11-20T10:00:00Z"
        return {"metadata": {"name": name, "namespace": "default", "creationTimestamp": first},
                "involvedObject": {"kind": "Pod", "namespace": "default", "name": pod, "apiVersion": "v1"}, "reason": "BackOff", "message": "again", "type": "Warning",
                "source": {"component": "kubelet", "host": "node-1"}, "firstTimestamp": first, "lastTimestamp": first, "count": 1000}

    def send(self, op, events):
        now = stamp()
        for e in events:  # as the API server notes each write
            e["metadata"]["managedFields"] = [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": now, "fieldsType": "FieldsV1", "fieldsV1": {"f:count": {}}}]
        self.server.bulk([(op, "events", "default", e) for e in events])

    def sizes(self):
        return {os.path.basename(p).decode(): os.lstat(p).st_size for p in self.mount.files()}

    def update(self, seen_again=True):
        """Changes UPDATES of the events, none of them in size, and returns their names. Not seen_again: not even last seen changes."""
        before = self.sizes()
        self.count += 1
        chosen = self.random.sample(self.mine, UPDATES)
        for e in chosen:
            e["count"] = 1000 + self.count
            if seen_again:
                e["lastTimestamp"] = f"2026-11-20T11:{self.count:02}:00Z"
        self.send("update", chosen)
        self.mount.settle(self.server)
        assert self.sizes() == before
        return {e["metadata"]["name"] for e in chosen}

    def remount(self):
        if self.mount:
            self.mount.close()
        self.mount = self.make(self.server, *self.options, directory=self.directory)


def files_below(directory):
    """{name of an event's file: content}; each must be there once."""
    found = {}
    for d, _, names in os.walk(directory):
        for n in names:
            p = os.path.join(d, n)
            if stat.S_ISREG(os.lstat(p).st_mode):
                assert n not in found, p
                with open(p, "rb") as f:
                    found[n] = f.read()
    return found


class Tool:
    """One backup tool: backup() makes an increment and returns the names of the files that it copied (or read again)."""
    options = ()
    below_seconds = True  # it tells revisions apart that were seen in the same second
    doubted = frozenset()  # files that it reads again for reasons of its own
    re_reads = False  # … after a remount, what changed since the last one: its ctime is then another

    def __init__(self, scratch):
        self.scratch, self.number = scratch, 0
        self.target = scratch / "copy"
        self.target.mkdir()

    def restored(self):
        """A directory with what the increments make up together."""
        return self.target


class Rsync(Tool):
    options = ("mtime=last",)
    arguments = ("--modify-window=-1",)

    def backup(self, source):
        said = run("rsync", "-a", *self.arguments, "--out-format=%i %n", source + "/", self.target).stdout.decode()
        return {os.path.basename(line.split(" ", 1)[1]) for line in said.splitlines() if line.startswith(">f")}


class RsyncPlain(Rsync):
    """Whole seconds are all that it sees."""
    arguments = ()
    below_seconds = False


class RsyncChecksum(Rsync):
    options = ()
    arguments = ("-c",)


class Restic(Tool):
    re_reads = True

    def restic(self, *arguments, **keywords):
        environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": str(self.scratch / "cache"), "HOME": str(self.scratch)}
        return run("restic", "-r", self.scratch / "repository", *arguments, env=environment, **keywords).stdout.decode()

    def backup(self, source):
        if self.number == 0:
            self.restic("init")
        self.number += 1
        said = [json.loads(line) for line in self.restic("backup", "--json", "--verbose=2", ".", cwd=source).splitlines()]
        self.summary = said[-1]
        return {os.path.basename(m["item"]) for m in said if m["message_type"] == "verbose_status" and m["action"] in ("new", "modified") and not m["item"].endswith("/")}

    def stored(self):
        """How many files' contents were new to it."""
        return self.summary["data_blobs"]

    def restored(self):
        shutil.rmtree(self.target)
        self.restic("restore", "latest", "--target", self.target)
        return self.target


class Borg(Tool):
    """It does not trust its memory of the file with the newest ctime: that might have changed within the same moment."""
    re_reads = True
    newest = None

    def borg(self, *arguments, **keywords):
        environment = {**os.environ, "BORG_BASE_DIR": str(self.scratch), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "BORG_REPO": str(self.scratch / "repository")}
        return run("borg", *arguments, env=environment, **keywords)

    def backup(self, source):
        if self.number == 0:
            self.borg("init", "-e", "none")
        self.number += 1
        self.doubted, self.newest = {self.newest}, max((os.lstat(os.path.join(d, n)).st_ctime_ns, n) for d, _, names in os.walk(source) for n in names)[1]
        said = self.borg("create", "--list", "--filter=AMCE", f"::{self.number}", ".", cwd=source).stderr.decode()
        return {os.path.basename(line[2:]) for line in said.splitlines() if line[:2] in ("A ", "M ", "C ", "E ")}

    def stored(self):
        said = self.borg("diff", f"::{self.number - 1}", str(self.number), "--content-only").stdout.decode() if self.number > 1 else ""
        return len(said.splitlines())

    def restored(self):
        shutil.rmtree(self.target)
        self.target.mkdir()
        self.borg("extract", f"::{self.number}", cwd=self.target)
        return self.target


class Tar(Tool):
    """It compares with the clock of its last dump, and a ctime that comes from the server has whole seconds: so its snapshot is set back."""

    def backup(self, source):
        self.number += 1
        since = getattr(self, "begun", 0)
        self.begun, snapshot = int(time.time()) - TAR_MARGIN, self.scratch / "snapshot"
        self.doubted = {n for d, _, names in os.walk(source) for n in names if os.lstat(os.path.join(d, n)).st_ctime_ns >= since * 10**9}
        said = run("tar", "-g", snapshot, "--no-check-device", "-cvf", self.scratch / f"{self.number}.tar", ".", cwd=source).stdout.decode()
        run("sed", "-zi", rf"1s/\n.*/\n{self.begun}/", snapshot)
        return {os.path.basename(line) for line in said.splitlines() if not line.endswith("/")}

    def restored(self):
        shutil.rmtree(self.target)
        self.target.mkdir()
        for i in range(1, self.number + 1):
            run("tar", "-g", "/dev/null", "-xf", self.scratch / f"{i}.tar", cwd=self.target)
        return self.target


class CpUpdate(Tool):
    options = ("mtime=last",)

    def backup(self, source):
        said = run("cp", "-Rduv", "--preserve=timestamps", source + "/.", self.target).stdout.decode()
        return {os.path.basename(a) for a in re.findall(r"^'(.*)' -> '.*'$", said, re.M) if os.path.isfile(a) and not os.path.islink(a)}


TOOLS = {"rsync": Rsync, "rsync plain": RsyncPlain, "rsync -c": RsyncChecksum, "restic": Restic, "borg": Borg, "tar -g": Tar, "cp -u": CpUpdate}
# Of each round: when there is a new mount (before the updates, between them and the backup), and whether the events say that they were
# seen again.
SHORT = [("between", True), (None, False), ("before", True)]
LONG = SHORT + [("between", False), ("before", False), (None, True), (None, False), ("between", True), ("between", False), (None, True)]


@pytest.fixture
def world_of(start_fake, mount, workspace):
    def make(*options):
        # Enough of them that no resourceVersion grows by a digit meanwhile.
        return World(start_fake("-events", "1000"), mount, workspace.new_directory("mnt"), *options)
    return make


def check(tool, world, changed, allowed=frozenset()):
    """An increment: everything that changed is in it, nothing else but what is allowed, and all of it is as the server says."""
    events = set(world.sizes())
    copied = tool.backup(world.mount.dir) & events
    assert changed - copied == set(), f"{len(changed - copied)} of {len(changed)} revisions missed"
    more = copied - changed - allowed - tool.doubted
    assert more == set(), f"{len(more)} files copied that did not change"
    got, want = files_below(tool.restored()), {name: text for (_, name), text in world.server.oracle().items()}
    wrong = [n for n in want if got.get(n) != want[n]]
    assert not wrong, f"{len(wrong)} of {len(want)} files are not what the server has, e.g. {wrong[0]}"


def increments(tool, world, rounds):
    """Returns how many revisions there were."""
    check(tool, world, set(world.sizes()))
    check(tool, world, set())
    live, count = set(), 0  # live: what this mount saw change, and so called the ctime another than the next mount will
    for remount, seen_again in rounds:
        before = live
        if remount == "before":
            world.remount()
            live = set()
        changed = world.update(seen_again or not tool.below_seconds)
        live |= changed
        if remount == "between":
            world.remount()
            live = set()
        check(tool, world, changed, before if remount and tool.re_reads else frozenset())
        if tool.re_reads:
            assert tool.stored() == len(changed)
        count += len(changed)
    world.remount()
    check(tool, world, set(), live if tool.re_reads else frozenset())
    if isinstance(tool, Tar):  # with nothing within its margin
        time.sleep(TAR_MARGIN + 1)
        check(tool, world, set())
        check(tool, world, set())
        assert not tool.doubted
    return count


# Those that take a minute are for scripts/check-all.
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in ("tar -g", "borg", "restic") else n for n in TOOLS])
def test_increments(world_of, scratch, name):
    tool = TOOLS[name](scratch)
    assert increments(tool, world_of(*tool.options), SHORT) >= 1500


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TOOLS)
def test_more_increments(world_of, scratch, name):
    tool = TOOLS[name](scratch)
    assert increments(tool, world_of(*tool.options), LONG) >= 5000


# scripts/kevfs-backup

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/kevfs-backup"


def back_up(m, to, *options, check=True, **keywords):
    return run(SCRIPT, *options, m.dir, to, check=check, **keywords)


def refused(m, to, why, *options, **keywords):
    r = back_up(m, to, "-w", "0", *options, check=False, **keywords)
    assert r.returncode == 1 and why in r.stderr.decode(), r.stderr
    return r


def revisions(backup):
    """Every line of its logs, parsed."""
    return [json.loads(line) for piece in sorted((backup / "revisions").iterdir()) for line in gzip.decompress(piece.read_bytes()).splitlines()]


def identity(e):
    return e["metadata"]["uid"], e["metadata"]["resourceVersion"]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("option", ["mtime=name", "mtime=last"])
def test_script(world_of, scratch, mount, option):
    """Rounds of updates of equal size, across remounts, while events expire: all is kept, and mounted again."""
    world, backup = world_of(option), scratch / "backup"
    everything, copied, seen = world.server.oracle(), {}, set(map(identity, world.server.events().values()))
    for remount, seen_again in [(None, True), *SHORT]:
        if remount == "before":
            world.remount()
        changed = world.update(seen_again)
        seen |= set(map(identity, world.server.events().values()))
        if remount == "between":
            back_up(world.mount, backup)  # what this mount saw, no other has seen
            copied.update(world.server.oracle())
            world.remount()
        expired = world.mine.pop()["metadata"]["name"]
        everything.update(world.server.oracle())
        world.server.delete("default", expired)
        assert wait_for(lambda: not os.path.lexists(world.mount.path("default/events", expired)))
        said = back_up(world.mount, backup).stdout.decode()
        copied.update(world.server.oracle())
        assert files_below(backup / "tree") == {name: text for (_, name), text in copied.items()}
        assert remount == "between" or int(re.search(r"(\d+) revisions", said)[1]) >= len(changed)
    assert {identity(e) for e in revisions(backup)} >= seen
    assert re.search(r": 0 files copied, 0 revisions$", back_up(world.mount, backup).stdout.decode().strip())
    assert back_up(world.mount, backup, "-q").stdout == b""
    assert json.loads((backup / "complete").read_text())["synced"] and sorted(os.listdir(backup)) == ["complete", "lock", "position", "revisions", "server", "tree"]
    run(SCRIPT, "restore", backup, scratch / "list")
    again = mount(None, source=f"file:{scratch}/list")
    # Also what came and went between two copies: the logs had it.
    assert len(everything) > len(copied) and {key: content for key, (_, content) in again.events().items()} == everything
    assert run(SCRIPT, "restore", backup, "-").stdout == (scratch / "list").read_bytes()


def test_script_lets_nobody_else_read(fake, mount, scratch):
    fake.create("default", event("one"))
    back_up(mount(fake), scratch / "backup")
    for d, dirs, files in os.walk(scratch / "backup"):
        for n in dirs + files + ["."]:
            assert os.stat(os.path.join(d, n)).st_mode & 0o077 == 0, (d, n)


def test_script_complains_of_nothing_the_first_time(fake, mount, scratch):
    """A directory that is still to be made lacks nothing."""
    fake.create("default", event("one"))
    r = back_up(mount(fake), scratch / "new/backup")
    assert r.stderr == b"" and b": 1 files copied, 1 revisions\n" in r.stdout


def test_script_refuses_what_is_no_kevfs(fake, mount, scratch):
    (scratch / "empty").mkdir()
    for point, why in ((scratch / "empty", "no kevfs is mounted on"), (scratch / "none", "there is no"), ("/proc", "no kevfs is mounted on /proc, but proc")):
        r = run(SCRIPT, point, scratch / "backup", check=False)
        assert r.returncode == 1 and why in r.stderr.decode()
    m = mount(fake)
    r = run(SCRIPT, m.path(".kevfs"), scratch / "backup", check=False)
    assert r.returncode == 1 and "no kevfs is mounted on" in r.stderr.decode()
    (scratch / "foreign").mkdir()
    (scratch / "foreign/file").write_text("x")
    refused(m, scratch / "foreign", "is not empty, and holds no backup")
    inside = refused(m, m.path("default/backup"), f"{m.dir}/default/backup lies in the mount").stderr
    assert inside.count(b"\n") == 1
    assert os.listdir(scratch / "foreign") == ["file"] and not (scratch / "backup").exists()


def test_script_refuses_another_server(fake, start_fake, mount, scratch, workspace):
    """On the same directory, by the same name; and another name of the same server changes nothing."""
    other, backup, point = start_fake(), scratch / "backup", workspace.new_directory("mnt")
    fake.create("default", event("one"))
    other.create("default", event("two"))
    m = mount(fake, directory=point)
    back_up(m, backup)
    server = status(m)["server"]
    assert (backup / "server").read_text() == f"{server}\n-\n"
    (backup / "server").unlink()  # an older one's
    back_up(m, backup)
    m.close()
    m = mount(other, directory=point)
    other_server = status(m)["server"]
    assert other_server != server
    refused(m, backup, f"{backup} holds what {server} (-) had, but {point} shows {other_server} (-): name another DIR")
    back_up(m, scratch / "another")
    m.close()
    assert list(files_below(backup / "tree")) == ["one"] and (backup / "server").read_text() == f"{server}\n-\n"
    context = fake.kubectl("config", "current-context").stdout.decode().strip()
    m = mount(fake, source=context, directory=point)
    back_up(m, backup)
    assert (backup / "server").read_text() == f"{server}\n{context}\n"


def test_script_refuses_another_file(mount, scratch, workspace):
    """The path decides, not what the file holds, nor how the path is written."""
    (scratch / "a").mkdir()
    for n in ("one", "two"):
        (scratch / "a" / n).write_text('{"kind":"List","apiVersion":"v1","items":[]}')
    m = mount(None, source=f"file:{scratch}/a/one")
    back_up(m, scratch / "backup")
    (scratch / "a/one").unlink()
    (scratch / "a/one").symlink_to("two")
    m = mount(None, source=f"file:{scratch}/a/../a//one")
    back_up(m, scratch / "backup")
    assert (scratch / "backup/server").read_text().splitlines()[0] == f"{scratch}/a/one"
    m = mount(None, source=f"file:{scratch}/a/two")
    refused(m, scratch / "backup", f"holds what {scratch}/a/one (")


@pytest.mark.needs_root
def test_script_refuses_what_is_hidden_or_dead(fake, mount, scratch):
    m = mount(fake)
    run("mount", "-t", "tmpfs", "none", m.dir)
    refused(m, scratch / "backup", "no kevfs is mounted on")
    run("umount", m.dir)
    back_up(m, scratch / "backup")
    os.kill(m.pid(), signal.SIGKILL)
    m.process.wait()
    refused(m, scratch / "backup", "cannot be read")
    run("umount", "-l", m.dir)
    m.process = subprocess.Popen(["true"])


def test_script_refuses_what_is_not_in_sync(fake, mount, scratch):
    fake.create("default", event("one"))
    with fake.fault("stall", resource="events") as fault:
        m = mount(fake, "delay_sync")
        refused(m, scratch / "backup", "is not in sync with its server: it has not answered yet\n")
        assert not (scratch / "backup").exists()
        fault.remove()
    back_up(m, scratch / "backup")
    before = (scratch / "backup/complete").read_text()
    fake.order("outage", seconds=0)
    assert wait_for(lambda: status(m)["stale"] and status(m)["last_error"])
    assert b"https://127.0.0.1" in refused(m, scratch / "backup", "is not in sync with its server: ").stderr
    assert (scratch / "backup/complete").read_text() == before
    fake.order("recover")
    back_up(m, scratch / "backup", "-w", "45")


@pytest.mark.needs_root
def test_script_and_a_full_disk(start_fake, mount, scratch):
    """It says so, whatever does not fit, in one line unless rsync has more to say; when there is room again, it goes on."""
    server, full = start_fake("-events", "500"), scratch / "full"
    m = mount(server)
    full.mkdir()
    for size in (4, 16, 200):  # the directories, a note, the revisions
        run("mount", "-t", "tmpfs", "-o", f"size={size}k", "none", full)
        try:
            said = refused(m, full, "No space left on device\n").stderr.decode()
            assert said.startswith("kevfs-backup: ") and str(full) in said and said.count("\n") == 1
            run("mount", "-o", "remount,size=20m", full)
            back_up(m, full)
            assert len(files_below(full / "tree")) == 500 and len(revisions(full)) == 500
        finally:
            run("umount", full)


def test_script_without_rsync(mount, fake, scratch):
    (scratch / "bin").mkdir()
    for n in ("bash", "findmnt", "flock"):
        (scratch / "bin" / n).symlink_to(shutil.which(n))
    r = run(SCRIPT, mount(fake).dir, scratch / "backup", check=False, env={"PATH": str(scratch / "bin")})
    assert (r.returncode, r.stderr) == (1, b"kevfs-backup: rsync is not installed: apt install rsync\n")


def test_script_again_at_once(fake, mount, scratch):
    """What a killed rsync leaves behind holds the lock for a moment: it writes yet. The next copy waits for it."""
    fake.create("default", event("one"))
    m = mount(fake)
    (scratch / "rsync").write_text("#!/bin/sh\nsleep 1 >/dev/null 2>&1 &\nexit 11\n")
    (scratch / "rsync").chmod(0o755)
    refused(m, scratch / "backup", "rsync ends with 11", env={**os.environ, "PATH": f"{scratch}:{os.environ['PATH']}"})
    back_up(m, scratch / "backup")


def slow_rsync(directory):
    """An rsync that, when it is done, waits until directory/go is there. Returns an environment in which it is found."""
    path = directory / "rsync"
    path.write_text(f'#!/bin/sh\n{shutil.which("rsync")} "$@"\ntouch {directory}/done\nwhile [ ! -e {directory}/go ]; do sleep .05; done\n')
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}


@pytest.mark.parametrize("what", ["stale", "remount", "unmounted"])
def test_script_looks_again_when_it_is_done(fake, mount, scratch, workspace, what):
    fake.create("default", event("one"))
    point = workspace.new_directory("mnt")
    m = mount(fake, directory=point)
    with subprocess.Popen([SCRIPT, point, scratch / "backup"], env=slow_rsync(scratch), stderr=subprocess.PIPE) as p:
        assert wait_for((scratch / "done").exists, 20)
        if what == "stale":
            fake.order("outage", seconds=0)
            assert wait_for(lambda: status(m)["stale"])
        else:
            m.close()
            if what == "remount":
                m = mount(fake, directory=point)
                assert wait_for(lambda: not status(m)["stale"])
        # Meanwhile another one does not disturb it.
        if what == "stale":
            fake.order("recover")
            assert wait_for(lambda: not status(m)["stale"], 45, 0.1)
            refused(m, scratch / "backup", "another kevfs-backup is at work")
            fake.order("outage", seconds=0)
            assert wait_for(lambda: status(m)["stale"])
        (scratch / "go").touch()
        said = p.communicate(timeout=20)[1].decode()
    assert p.returncode == 1 and {"stale": "is not in sync", "remount": "was mounted anew meanwhile", "unmounted": "no kevfs is mounted"}[what] in said
    assert not (scratch / "backup/complete").exists()


@pytest.mark.timeout(120)
def test_script_is_killed(start_fake, mount, scratch):
    """At any moment, with all that it started: what is there is whole, and the next run completes it."""
    server, backup, chance = start_fake("-events", "1000"), scratch / "backup", random.Random(5)
    m = mount(server, "mtime=last")
    want = server.oracle()
    texts = set(want.values())
    for _ in range(15):
        p = subprocess.Popen([SCRIPT, m.dir, backup], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(chance.uniform(0.02, 0.8))
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        if (backup / "revisions").exists():  # made behind tree
            assert set(files_below(backup / "tree").values()) <= texts
            revisions(backup)
        if not (backup / "complete").exists() or chance.random() < 0.3:
            shutil.rmtree(backup, ignore_errors=True)  # so that there is something to interrupt
    back_up(m, backup)
    assert files_below(backup / "tree") == {name: text for (_, name), text in want.items()}
    assert {identity(e) for e in revisions(backup)} == set(map(identity, server.events().values()))
    assert sorted(os.listdir(backup)) == ["complete", "lock", "position", "revisions", "server", "tree"]


def test_script_and_the_logs_rotation(fake, mount, scratch):
    """Once between two copies: nothing is missing, and nothing twice. Twice: it says that something is missing."""
    one, backup = event("one"), scratch / "backup"
    fake.create("default", one)
    m = mount(fake, "log_max=64K")
    seen = [fake.events()["default", "one"]]

    def repeat(times):
        for _ in range(times):
            one["message"] = "x" * 5000
            one["count"] += 1
            seen.append(fake.update("default", one))
        assert wait_for(lambda: json.loads(open(m.path("default/events/one"), "rb").read())["count"] == one["count"])
        time.sleep(0.2)  # and the log shows it as well
    back_up(m, backup)
    for _ in range(4):
        repeat(9)  # 47 KB
        assert back_up(m, backup).stderr == b""
    assert os.path.exists(m.path(".kevfs/events.jsonl.1"))
    assert list(map(identity, revisions(backup))) == list(map(identity, seen))
    repeat(40)
    assert b"the logs have rotated twice" in back_up(m, backup).stderr
    assert identity(revisions(backup)[-1]) == identity(seen[-1])
    assert len(revisions(backup)) < len(seen)
    m.close()
    m = mount(fake, "log_max=0")
    assert b": 0 revisions" in back_up(m, backup).stdout.replace(b", ", b": ")


def test_restore_prefers_the_newest(fake, mount, scratch):
    """Also of an Event that has moved to another object, and so stands in two directories; and what came and went between two copies."""
    fake.create("default", event("moves", about="z"))
    m = mount(fake)
    back_up(m, scratch / "backup")
    fake.delete("default", "moves")
    fake.create("default", event("moves", about="a", message="newer"))
    fake.create("default", event("passes"))
    assert wait_for(lambda: os.path.exists(m.path("default/pods/a/events/moves")) and os.path.exists(m.path("default/events/passes")))
    want = {k: content for k, (_, content) in m.events().items()}
    fake.delete("default", "passes")
    assert wait_for(lambda: not os.path.exists(m.path("default/events/passes")))
    time.sleep(0.2)  # the log shows it then, at the latest
    back_up(m, scratch / "backup")
    run(SCRIPT, "restore", scratch / "backup", scratch / "list")
    again = mount(None, source=f"file:{scratch}/list")
    assert {k: content for k, (_, content) in again.events().items()} == want


def test_restore_holds_each_event_once(fake, mount, scratch, workspace):
    """However often the first sync of another mount was copied; and of each the newest revision, whatever lies in its metadata."""
    point, backup = workspace.new_directory("mnt"), scratch / "backup"
    events = {n: event(n) for n in ("same", "repeats", "owned")}
    events["owned"]["metadata"].update(ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "same", "uid": "same-uid"}], annotations={"uid": "x", "resourceVersion": "9999999"})
    for e in events.values():
        fake.create("default", e)
    for i in range(2, 5):
        m = mount(fake, directory=point)
        back_up(m, backup)
        for n in ("repeats", "owned"):
            events[n]["count"] = i
            fake.update("default", events[n])
        assert wait_for(lambda i=i: all(json.loads(open(m.path("default/events", n), "rb").read())["count"] == i for n in ("repeats", "owned")))
        time.sleep(0.2)  # the logs show it then, at the latest
        want = {k: content for k, (_, content) in m.events().items()}
        back_up(m, backup)
        m.close()
    assert len(revisions(backup)) > 9
    # As others write it: in the order of the alphabet, an owner's uid before the Event's.
    piece = max((backup / "revisions").iterdir())
    piece.write_bytes(gzip.compress(b"".join(json.dumps(json.loads(line), sort_keys=True).encode() + b"\n" for line in gzip.decompress(piece.read_bytes()).splitlines())))
    run(SCRIPT, "restore", backup, scratch / "list")
    items = json.loads((scratch / "list").read_text())["items"]
    assert sorted(map(identity, items)) == sorted(map(identity, fake.events().values()))
    assert {k: content for k, (_, content) in mount(None, source=f"file:{scratch}/list").events().items()} == want


def test_restore_of_what_has_no_uid(scratch):
    """Its name stands for it; and where no resourceVersion can be compared, what was written last counts."""
    items = [{"apiVersion": "v1", "kind": "Event", "metadata": {"name": n, "namespace": "default", "resourceVersion": "a"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "count": count}
             for n, count in (("one", 1), ("two", 1), ("one", 2))]
    (scratch / "backup/tree").mkdir(parents=True)
    (scratch / "backup/revisions").mkdir()
    (scratch / "backup/revisions/1.jsonl.gz").write_bytes(gzip.compress(b"".join(json.dumps(i).encode() + b"\n" for i in items)))
    assert sorted((i["metadata"]["name"], i["count"]) for i in json.loads(run(SCRIPT, "restore", scratch / "backup", "-").stdout)["items"]) == [("one", 2), ("two", 1)]


def test_restore_refuses(fake, mount, scratch):
    m = mount(fake)
    for arguments, why in ((("restore", scratch, scratch / "list"), "holds no backup"), (("restore", scratch / "none", "-"), "there is no")):
        r = run(SCRIPT, *arguments, check=False)
        assert r.returncode == 1 and why in r.stderr.decode()
    back_up(m, scratch / "backup")
    (scratch / "list").write_text("precious")
    r = run(SCRIPT, "restore", scratch / "backup", scratch / "list", check=False)
    assert r.returncode == 1 and "is there already" in r.stderr.decode() and (scratch / "list").read_text() == "precious"
    (scratch / "list").unlink()
    (scratch / "backup/revisions/1.jsonl.gz").write_bytes(b"no gzip")
    r = run(SCRIPT, "restore", scratch / "backup", scratch / "list", check=False)
    assert b"backup cannot be read as a whole: gzip: " in r.stderr and b"1.jsonl.gz: not in gzip format" in r.stderr and r.stderr.count(b"\n") == 1
    assert r.returncode == 1 and not (scratch / "list").exists() and not [n for n in os.listdir(scratch) if n.startswith(".kevfs")]
    # Nothing at all is a list, too.
    (scratch / "backup/revisions/1.jsonl.gz").unlink()
    run(SCRIPT, "restore", scratch / "backup", scratch / "list")
    assert json.loads((scratch / "list").read_text())["items"] == [] and mount(None, source=f"file:{scratch}/list").files() == []


@pytest.mark.needs_root
def test_restore_says_what_cannot_be_written(scratch):
    """And does not blame the backup, which is whole."""
    def failed(why, to, into=subprocess.DEVNULL):
        r = subprocess.run([SCRIPT, "restore", scratch / "backup", to], stdout=into, stderr=subprocess.PIPE, timeout=60, check=False)
        assert (r.returncode, r.stderr.decode()) == (1, f"kevfs-backup: {why}\n")
    (scratch / "backup/tree").mkdir(parents=True)
    for i in range(2000):
        (scratch / "backup/tree" / str(i)).write_text(json.dumps({"metadata": {"name": str(i), "namespace": "default", "uid": str(i)}, "message": "x" * 100}))
    with open("/dev/full", "wb") as full:
        failed("standard output cannot be written: No space left on device", "-", full)
    (scratch / "full").mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k", "none", scratch / "full")
    try:
        failed(f"{scratch}/full/list cannot be written: No space left on device", scratch / "full/list")
        assert not os.listdir(scratch / "full")
    finally:
        run("umount", scratch / "full")
    failed(f"{scratch}/none/list cannot be written: No such file or directory", scratch / "none/list")
    with subprocess.Popen([SCRIPT, "restore", scratch / "backup", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdout.read(1)
        p.stdout.close()
        assert p.stderr.read() == b"kevfs-backup: standard output cannot be written: nobody reads it to the end\n"
    assert p.returncode == 1


@pytest.mark.parametrize("why, arguments", [("it takes MOUNTPOINT and DIR", ()), ("it takes MOUNTPOINT and DIR", ("x",)), ("it takes MOUNTPOINT and DIR", ("a", "b", "c")),
                                            ("-z: there is no such option", ("-z", "a", "b")), ("--quiet: there is no such option", ("-q", "--quiet", "a", "b")), ("-w soon: it takes seconds, 0 to 99999", ("-w", "soon", "a", "b")), ("-w: its value is missing", ("-w",)),
                                            ("restore takes DIR and FILE", ("restore", "a")), ("restore takes DIR and FILE", ("restore", "a", "b", "c"))])
def test_script_usage(why, arguments):
    r = run(SCRIPT, *arguments, check=False)
    said = r.stderr.decode()
    assert r.returncode == 2 and said.startswith(f"kevfs-backup: {why}\n  kevfs-backup [-q]") and "kevfs-backup restore DIR FILE" in said and r.stdout == b""


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_script_help(option):
    r = run(SCRIPT, option)
    assert r.stdout.startswith(b"  kevfs-backup [-q] [-w SECONDS] MOUNTPOINT DIR") and r.stderr == b""


def test_units(scratch):
    """systemd takes them; what they start is what is installed."""
    source = SCRIPT.parent / "systemd"
    service = (source / "kevfs-backup@.service.in").read_text()
    assert "@bindir@/kevfs-backup %f" in service
    (scratch / "kevfs-backup@k8s.service").write_text(service.replace("@bindir@", str(SCRIPT.parent)))
    shutil.copy(source / "kevfs-backup@.timer", scratch / "kevfs-backup@k8s.timer")
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    r = run("systemd-analyze", "verify", "--man=no", scratch / "kevfs-backup@k8s.service", scratch / "kevfs-backup@k8s.timer", check=False)
    assert r.returncode == 0 and r.stderr == b"", r.stderr
