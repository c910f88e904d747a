"""find, grep -r, tar, rsync, cp: whatever walks the tree meets each event exactly once, and what they copy is what is there."""
import json
import os
import subprocess

import pytest

import hostile
from events import event, imitate
from mounts import LINKS
from servers import run


@pytest.fixture
def quiet(fake):
    """A fake server whose events stay as they are: many, real looking and hostile."""
    hostile.post(fake)
    fake.load(500, namespaces=5, pods=20, makePods=True)
    imitate(fake)
    return fake


def count_nul(command):
    return run("sh", "-c", command + " | tr -dc '\\0' | wc -c").stdout.strip()


def test_find_meets_each_event_once(server, mount):
    """On a real server some come and go meanwhile: at one of several looks the numbers agree."""
    m = mount(server)
    looks = []
    for _ in range(8):
        before = set(server.events())
        looks.append((int(count_nul(f"find {m.dir} -type f -print0")), len(before)))
        if looks[-1][0] == looks[-1][1] and set(server.events()) == before:
            return
    pytest.fail(f"find sees (files, events): {looks}")


def test_find_without_the_tree_is_nothing_else(quiet, mount):
    """Only directories, event files and our links; nothing below a link twice."""
    m = mount(quiet)
    kinds = run("find", m.dir, "-mindepth", "1", "-printf", "%y %d\\n").stdout.decode().split("\n")[:-1]
    assert set(kinds) == {"d 1", "d 2", "d 3", "d 4", "f 5", "l 1", "l 2", "l 4"}
    assert kinds.count("f 5") == len(quiet.events())
    for above, links in LINKS.items():
        assert kinds.count(f"l {above + 1}") == len(links) * (kinds.count(f"d {above}") if above else 1)
    assert run("find", m.dir, "-name", ".kevfs*", "-maxdepth", "1").stdout == b""


def test_grep_meets_each_event_once(quiet, mount):
    m = mount(quiet)
    assert len(run("grep", "-rlZ", '^    "involvedObject": ', m.dir).stdout.split(b"\0")[:-1]) == len(quiet.events())
    said = run("grep", "-rhE", '^    "reason": "ScalingReplicaSet"', m.dir).stdout.decode().splitlines()
    assert said == ['    "reason": "ScalingReplicaSet",']
    # The link of a namespace is followed when it is named:
    assert run("grep", "-rlE", '"ScalingReplicaSet"', m.path("shop/events")).stdout.count(b"\n") == 1


def test_tar_holds_each_event_once(quiet, mount, scratch):
    m = mount(quiet)
    run("tar", "-C", m.dir, "-cf", scratch / "all.tar", ".")
    listed = run("tar", "-tvf", scratch / "all.tar").stdout.splitlines()
    assert sum(line.startswith(b"-") for line in listed) == len(quiet.events())
    (scratch / "out").mkdir()
    run("tar", "-C", scratch / "out", "-xf", scratch / "all.tar")
    run("diff", "-r", "--no-dereference", m.dir, scratch / "out")


def test_tar_to_null_is_the_same(quiet, mount):
    """tar notices "file changed as we read it" and wrong sizes."""
    m = mount(quiet)
    r = run("tar", "-C", m.dir, "-cf", "/dev/null", "--verbose", "./")
    assert r.stderr == b""


def test_rsync_copies_and_then_finds_nothing_to_do(quiet, mount, scratch):
    m = mount(quiet)
    run("rsync", "-a", m.dir + "/", scratch / "copy")
    run("diff", "-r", "--no-dereference", m.dir, scratch / "copy")
    again = run("rsync", "-a", "--itemize-changes", "--delete", m.dir + "/", scratch / "copy").stdout
    assert again == b""
    assert run("rsync", "-a", "--itemize-changes", "--checksum", "--delete", m.dir + "/", scratch / "copy").stdout == b""
    times = [(os.lstat(p).st_mtime_ns, os.lstat(os.path.join(scratch, "copy", os.path.relpath(os.fsdecode(p), m.dir))).st_mtime_ns) for p in m.files()]
    assert all(a == b for a, b in times) and len(times) == len(quiet.events())


def test_rsync_delete_follows(quiet, mount, scratch):
    m = mount(quiet)
    run("rsync", "-a", m.dir + "/", scratch / "copy")
    gone = next(k for k in quiet.events() if k[0] == "shop")
    quiet.delete(*gone)
    m.settle(quiet)
    out = run("rsync", "-a", "--itemize-changes", "--delete", m.dir + "/", scratch / "copy").stdout.decode()
    assert gone[1] in out and out.count("*deleting") >= 1
    run("diff", "-r", "--no-dereference", m.dir, scratch / "copy")


def test_cp_and_du(quiet, mount, scratch):
    m = mount(quiet)
    run("cp", "-a", m.dir, scratch / "copy")
    run("diff", "-r", "--no-dereference", m.dir, scratch / "copy")
    said = int(run("du", "-sb", "--apparent-size", m.dir).stdout.split()[0])
    assert said >= sum(os.lstat(p).st_size for p in m.files())
    blocks = int(run("du", "-s", "--block-size=512", m.dir).stdout.split()[0])
    assert blocks == sum(os.lstat(p).st_blocks for p in m.files()) + sum(os.lstat(os.path.join(d, n)).st_blocks for d, dirs, names in os.walk(m.dir) for n in dirs + names if os.path.islink(os.path.join(d, n)) or os.path.isdir(os.path.join(d, n))) + os.lstat(m.dir).st_blocks


def test_ls_sees_what_readdir_and_stat_see(quiet, mount):
    m = mount(quiet)
    for d, dirs, names in os.walk(m.dir):
        assert sorted(os.listdir(d)) == sorted(dirs + names)
        with os.scandir(d) as entries:
            for e in entries:
                assert e.inode() == os.lstat(e.path).st_ino and e.is_dir(follow_symlinks=False) == (e.name in dirs and not os.path.islink(e.path)), e.path
    assert run("ls", "-lR", m.dir).stderr == b""


def test_a_listing_in_pieces_is_whole(quiet, mount):
    """getdents with a small buffer, and seekdir back to where it was: telldir cookies hold."""
    quiet.load(3000, namespaces=1, pods=1)
    m = mount(quiet)
    [pod] = [p for p in os.listdir(m.path("flood-0/pods")) if os.listdir(m.path("flood-0/pods", p, "events")) and len(os.listdir(m.path("flood-0/pods", p, "events"))) > 300][:1]
    folder = m.path("flood-0/pods", pod, "events")
    program = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
for f in (libc.readdir, libc.telldir, libc.closedir): f.argtypes = [ctypes.c_void_p]
libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
d = libc.opendir(os.fsencode(sys.argv[1]))
def rest():
    names = []
    while e := libc.readdir(d): names.append(ctypes.string_at(e + 19))
    return names
first = [ctypes.string_at(libc.readdir(d) + 19) for _ in range(100)]
here = libc.telldir(d)
a = rest()
libc.seekdir(d, here)
b = rest()
assert a == b, (len(a), len(b))
assert len(set(first + a)) == len(first) + len(a)
print(len(first) + len(a))
"""
    r = subprocess.run(["/usr/bin/python3", "-c", program, folder], capture_output=True, timeout=30, check=True)
    assert int(r.stdout) == len(os.listdir(folder)) + 2


def test_json_of_all(quiet, mount):
    m = mount(quiet)
    assert {k: json.loads(content)["metadata"]["uid"] for k, (_, content) in m.events().items()} == {k: e["metadata"]["uid"] for k, e in quiet.events().items()}


def test_an_empty_cluster_is_an_empty_tree(fake, mount):
    m = mount(fake)
    assert m.members() == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert m.files() == [] and m.members("default") == [] and os.listdir(m.path("default/events")) == []
    fake.create("default", event("first"))
    assert m.settle(fake) == 1
