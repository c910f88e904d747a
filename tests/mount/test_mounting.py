"""mount(8), fstab, ordinary users, permissions, the service account of a pod."""
import os
import pathlib
import shutil
import subprocess

import pytest

from events import event
from mounts import as_user, is_mounted
from servers import run, wait_for
from watchdog import arguments, daemons

NOBODY = 65534


class System:
    """A mount that mount(8) made; the daemon is found by its mountpoint."""

    def __init__(self, session, source, *options, kubeconfig, arguments=(), environment=None, check=True):
        self.session, self.directory = session, session.new_directory("mnt")
        self.dir = str(self.directory)
        self.environment = {**session.environment, "KUBECONFIG": kubeconfig, **(environment or {})}
        self.result = run("mount", "-t", "fuse.kevfs", *arguments, source, self.dir, *(["-o", ",".join(options)] if options else []), check=False, env=self.environment)
        if check:
            assert self.result.returncode == 0 and is_mounted(self.dir), self.result.stderr

    def close(self):
        while is_mounted(self.dir):
            run("umount", self.dir)
        assert wait_for(lambda: not any(self.dir.encode() in arguments(p) for p in daemons(self.session.directory)))
        assert self.session.take_reports() == ""


@pytest.fixture
def system(session):
    made = []

    def make(*arguments, **keywords):
        made.append(System(session, *arguments, **keywords))
        return made[-1]
    yield make
    for m in made:
        m.close()


def mounted_times(point):
    return sum(line.split()[4] == str(point) for line in open("/proc/self/mountinfo", encoding="utf-8"))


needs_root = pytest.mark.needs_root


@needs_root
def test_mount_8(fake, system):
    fake.create("default", event("one"))
    m = system("-", kubeconfig=fake.kubeconfig)
    assert os.listdir(m.dir + "/default/pods/web-1/events") == ["one"]
    [line] = [line for line in run("findmnt", "-rno", "FSTYPE,SOURCE", m.dir).stdout.decode().splitlines()]
    assert line == "fuse.kevfs -"


@needs_root
def test_mount_8_with_options(fake, system):
    """Ours, with commas in them, and everything that fstab brings along."""
    for i, (kind, reason) in enumerate((("Warning", "One"), ("Warning", "Two"), ("Normal", "One"), ("Warning", "a,b"))):
        fake.create("default", event(f"e{i}", type=kind, reason=reason))
    plain = ["_netdev", "nofail", "noauto", "user", "x-systemd.mount-timeout=60", "x-systemd.requires=network-online.target", "comment=text", "ro", "rw", "nosuid", "suid", "dev", "nodev", "exec", "noatime", "async", "defaults", "allow_other", "default_permissions"]
    m = system("fake", "namespace=default", "field_selector=type=Warning\\,reason!=Two", "umask=027", *plain, kubeconfig=fake.kubeconfig)
    assert sorted(os.listdir(m.dir + "/default/events")) == ["e0", "e3"] and [n for n in os.listdir(m.dir) if os.path.isdir(f"{m.dir}/{n}")] == ["default"]
    assert os.stat(m.dir + "/default/pods/web-1/events/e0").st_mode & 0o777 == 0o440
    m = system("fake", "field_selector=reason=a\\\\\\,b", kubeconfig=fake.kubeconfig)
    assert os.listdir(m.dir + "/default/events") == ["e3"]


@needs_root
def test_mount_8_says_why_not(fake, system):
    m = system("no-such", kubeconfig=fake.kubeconfig, check=False)
    assert m.result.returncode == 32 and b"no-such" in m.result.stderr and m.result.stderr.startswith(b"kevfs: ") and not is_mounted(m.dir)
    with fake.fault("status", resource="events", code=403):
        m = system("-", kubeconfig=fake.kubeconfig, check=False)
    assert m.result.returncode == 32 and b'cannot list resource "events"' in m.result.stderr and not is_mounted(m.dir)
    m = system("-", "no_such_option", kubeconfig=fake.kubeconfig, check=False)
    assert m.result.returncode != 0 and b"no_such_option" in m.result.stderr and not is_mounted(m.dir)


@needs_root
def test_drop_privileges(fake, system):
    """There mount.fuse mounts by itself: not without what makes it read-only and checks permissions."""
    m = system("-", "drop_privileges,allow_other", kubeconfig=fake.kubeconfig, check=False)
    run("umount", m.dir, check=False)  # mount.fuse's own, which it leaves behind
    assert m.result.returncode != 0 and b"add ro,default_permissions" in m.result.stderr
    m = system("-", "drop_privileges,allow_other,ro,default_permissions", kubeconfig=fake.kubeconfig)
    assert "default" in os.listdir(m.dir)
    with pytest.raises(OSError, match="Read-only"):
        open(m.dir + "/x", "w", encoding="utf-8")


@needs_root
def test_mount_8_without_an_environment(session, fake):
    """As systemd does it: no PATH, no HOME, no KUBECONFIG."""
    fake.create("default", event("one"))
    point = session.new_directory("mnt")
    run("mount", "-t", "fuse.kevfs", "fake", point, "-o", f"kubeconfig={fake.kubeconfig}", env={})
    assert os.listdir(point / "default/events") == ["one"]
    run("umount", point, env={})
    assert wait_for(lambda: not any(str(point).encode() in arguments(p) for p in daemons(session.directory)))


@needs_root
def test_fstab(session, fake, scratch):
    """mount -a, twice: the second finds it mounted; then remount is refused and changes nothing."""
    fake.create("default", event("one", type="Warning"))
    fake.create("default", event("two", reason="Other"))
    point = session.new_directory("mnt")
    (scratch / "fstab").write_text(f"fake {point} fuse.kevfs ro,_netdev,nofail,allow_other,kubeconfig={fake.kubeconfig},field_selector=type=Warning\\,reason!=Other,x-systemd.mount-timeout=60 0 0\n")
    environment = session.environment
    try:
        for _ in range(2):
            run("mount", "-a", "-T", scratch / "fstab", env=environment)
            assert mounted_times(point) == 1
        assert os.listdir(f"{point}/default/events") == ["one"]
        r = run("mount", "-T", scratch / "fstab", "-o", "remount", point, env=environment, check=False)
        assert r.returncode != 0 and r.stderr and mounted_times(point) == 1
        assert os.listdir(f"{point}/default/events") == ["one"]
        fake.create("default", event("three", type="Warning"))
        assert wait_for(lambda: sorted(os.listdir(f"{point}/default/events")) == ["one", "three"])
        run("umount", point)
        run("mount", "-T", scratch / "fstab", point, env=environment)
        assert mounted_times(point) == 1
    finally:
        while is_mounted(point):
            run("umount", point)
    assert wait_for(lambda: not any(str(point).encode() in arguments(p) for p in daemons(session.directory)))


@needs_root
def test_two_mounts_of_one_source(fake, mount):
    """Each is a filesystem of its own."""
    fake.create("default", event("one"))
    a, b = mount(fake), mount(fake, "umask=077")
    assert os.stat(a.dir).st_dev != os.stat(b.dir).st_dev
    a.close()
    fake.create("default", event("two"))
    assert wait_for(lambda: len(b.files()) == 2)


@needs_root
def test_dead_mountpoint(session, fake, mount):
    """A daemon that was killed leaves one: the next start says what to do, or does it."""
    m = mount(fake)
    os.kill(m.pid(), 9)
    m.process.wait(5)
    with pytest.raises(OSError):
        os.listdir(m.dir)
    again = run(session.binary, "-", m.dir, check=False, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    if again.returncode:
        assert m.dir.encode() in again.stderr and b"umount" in again.stderr and again.stderr.count(b"\n") == 1
    else:
        assert "default" in os.listdir(m.dir)
    while is_mounted(m.dir):
        run("umount", "-l", m.dir)
    m.process.returncode = 0
    wait_for(lambda: not any(m.dir.encode() in arguments(p) for p in daemons(session.directory)))


def test_mounted_already(session, fake, mount):
    """A second one would only hide the first, and each would need its own umount."""
    m = mount(fake)
    again = run(session.binary, "-", m.dir, check=False, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    assert again.returncode == 32 and b"mounted already" in again.stderr and again.stderr.count(b"\n") == 1
    assert mounted_times(m.dir) == 1 and "default" in os.listdir(m.dir)


@pytest.mark.parametrize("closed", ["0<&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_descriptors(session, fake, scratch, closed):
    """What is opened first must not become what is written to: mount(8) would wait for ever."""
    fake.create("default", event("one"))
    point = session.new_directory("mnt")
    p = subprocess.Popen(["sh", "-c", f"exec {session.binary} - {point} {closed}"], env={**session.environment, "KUBECONFIG": fake.kubeconfig})
    try:
        assert p.wait(30) == 0 and os.listdir(point / "default/events") == ["one"]
    finally:
        p.kill()
        run("umount", point, check=False)
    assert wait_for(lambda: not any(str(point).encode() in arguments(d) for d in daemons(session.directory)))


def test_parent_that_is_killed(session, fake):
    """Whoever was told that there is no mount gets none later."""
    fake.create("default", event("one"))
    point = session.new_directory("mnt")

    def serving():
        return [d for d in daemons(session.directory) if str(point).encode() in arguments(d)]
    with fake.fault("stall", resource="events") as fault:
        p = subprocess.Popen([session.binary, "-", point], stdin=subprocess.DEVNULL, env={**session.environment, "KUBECONFIG": fake.kubeconfig})
        assert wait_for(lambda: len(serving()) == 2) and wait_for(lambda: fault.acted())
        p.kill()
        p.wait(5)
    assert wait_for(lambda: not serving()) and not is_mounted(point)


# Users

@pytest.fixture
def for_nobody(fake, scratch):
    """The kubeconfig of the fake server, where nobody may read it."""
    os.chmod(scratch, 0o755)
    path = scratch / "kubeconfig"
    path.write_text(open(fake.kubeconfig, encoding="utf-8").read())
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o600)
    return str(path)


def read_as(uid, path):
    r = run(*as_user(uid), "cat", path, check=False)
    return r.stdout if r.returncode == 0 else r.stderr.decode().strip().rpartition(": ")[2]


@needs_root
def test_ordinary_user(fake, mount, for_nobody):
    """Through fusermount3, in the foreground and in the background; root, too, stays outside."""
    fake.create("default", event("one"))
    for background in (False, True):
        m = mount(kubeconfig=for_nobody, user=NOBODY, background=background)
        path = m.path("default/pods/web-1/events/one")
        assert read_as(NOBODY, path).endswith(b"}\n")
        assert read_as(None, path) == "Permission denied" and read_as(1, path) == "Permission denied"
        st = run(*as_user(NOBODY), "stat", "-c", "%u %g", path).stdout
        assert st == b"65534 65534\n"
        assert m.unmount().returncode == 0
        m.wait_end(5)


@needs_root
def test_ordinary_user_and_signals(fake, mount, for_nobody):
    m = mount(kubeconfig=for_nobody, user=NOBODY)
    os.kill(m.pid(), 15)
    assert m.wait_end(5) == 0 and not is_mounted(m.dir)


@needs_root
def test_fusermount3_by_path(session, fake, mount, scratch, for_nobody):
    """Where no distribution has it, but PATH does. It unmounts at the end, and takes away what a crash left."""
    fake.create("default", event("one"))
    place = scratch / "place"
    place.mkdir()
    shutil.copy("/usr/bin/fusermount3", place)
    (place / "fusermount3").chmod(0o4755)
    (scratch / "nothing").write_bytes(b"")
    path = {"PATH": f".::{place}:{os.environ['PATH']}"}
    run("mount", "--bind", scratch / "nothing", "/usr/bin/fusermount3")  # in this mount namespace
    try:
        point = session.new_directory("mnt")
        os.chown(point, NOBODY, NOBODY)
        m = mount(kubeconfig=for_nobody, user=NOBODY, environment=path, directory=point)
        os.kill(m.process.pid, 9)
        m.process.wait(10)
        m.refused = True
        n = mount(kubeconfig=for_nobody, user=NOBODY, environment=path, directory=point, background=True)
        os.kill(n.pid(), 15)
        assert n.wait_end(10) == 0 and not is_mounted(point)
        assert "held a dead mount of ours" in n.said() and "cannot be unmounted" not in n.said()
    finally:
        run("umount", "/usr/bin/fusermount3")


@needs_root
def test_ordinary_user_without_a_right_to_the_mountpoint(session, fake, mount, for_nobody):
    point = session.new_directory("mnt")
    m = mount(kubeconfig=for_nobody, user=NOBODY, directory=point, background=True, refused=True)
    assert m.returncode == 32 and not is_mounted(point) and str(point) in m.said()


@needs_root
def test_allow_other_of_an_ordinary_user(fake, mount, for_nobody):
    """fuse.conf decides; where it does not allow it, the reason is said."""
    allowed = any(line.strip() == "user_allow_other" for line in pathlib.Path("/etc/fuse.conf").read_text(encoding="utf-8").splitlines()) if os.path.exists("/etc/fuse.conf") else False
    fake.create("default", event("one"))
    m = mount(None, "allow_other", kubeconfig=for_nobody, user=NOBODY, background=True, refused=not allowed)
    if allowed:
        assert read_as(1, m.path("default/pods/web-1/events/one")).endswith(b"}\n")
    else:
        assert m.returncode == 32 and "user_allow_other" in m.said() and not is_mounted(m.dir)


@needs_root
def test_others_stay_outside_without_allow_other(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    assert read_as(NOBODY, m.path("default/pods/web-1/events/one")) == "Permission denied"


@needs_root
@pytest.mark.parametrize("options, readable", [([], True), (["umask=007"], False), (["umask=077", "uid=65534"], True), (["umask=077", "uid=1"], False), (["umask=027", "gid=65534"], True), (["umask=0777", "uid=65534"], False), (["umask=0004", "uid=0", "gid=0"], False)])
def test_default_permissions(fake, mount, options, readable):
    """With allow_other the modes decide, also for files that the kernel has in its caches."""
    fake.create("default", event("one"))
    m = mount(fake, "allow_other", *options)
    path = m.path("default/pods/web-1/events/one")
    assert read_as(None, path).endswith(b"}\n")  # now it is cached
    for _ in range(2):
        found = read_as(NOBODY, path)
        assert found.endswith(b"}\n") if readable else found == "Permission denied", found


# In a pod

@needs_root
@pytest.mark.parametrize("source", ["in-cluster", "-"])
def test_in_cluster(session, fake, scratch, source):
    """The service account's files stand where a pod has them, in a mount namespace of its own; the tree is looked at through /proc."""
    fake.create("default", event("one"))
    account = scratch / "run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    for name, text in (("token", "pod-token\n"), ("ca.crt", open(fake.ca, encoding="ascii").read()), ("namespace", "default")):
        (account / name).write_text(text)
    fake.order("config", tokens=["pod-token"])
    point = session.new_directory("mnt")
    host, port = fake.url.removeprefix("https://").split(":")
    environment = {**session.environment, "HOME": str(scratch), "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    log = open(scratch / "log", "wb")
    p = subprocess.Popen(["unshare", "--mount", "sh", "-c", f"mount --bind {scratch}/run /run && exec {session.binary} -f {source} {point}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        inside = f"/proc/{p.pid}/root{point}"
        assert wait_for(lambda: os.path.isdir(f"{inside}/default") or p.poll() is not None), (scratch / "log").read_text()
        assert p.poll() is None, (scratch / "log").read_text()
        assert os.listdir(f"{inside}/default/pods/web-1/events") == ["one"]
        assert {r["user"] for r in fake.requests(verb="list", resource="events")} | {r["user"] for r in fake.requests(verb="watch", resource="events")} == {"system:serviceaccount:default:pod-token"}
        # A bound token rotates.
        (account / "token").write_text("pod-token-2\n")
        fake.order("config", tokens=["pod-token-2"])
        fake.order("drop")
        fake.create("default", event("two"))
        assert wait_for(lambda: sorted(os.listdir(f"{inside}/default/events")) == ["one", "two"], 20)
    finally:
        p.terminate()
        assert p.wait(10) == 0
        log.close()
    assert session.take_reports() == ""


@needs_root
def test_in_cluster_without_a_pod(session, mount):
    for environment in ({}, {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}):
        m = mount(source="in-cluster", refused=True, background=True, environment=environment)
        assert m.returncode == 32 and m.said().count("\n") == 1
