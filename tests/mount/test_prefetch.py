"""Who reads a file of a directory is given the next ones unasked: what is there then, and that nobody hangs over it."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from events import event
from metrics import Metrics
from servers import run, wait_for
from test_live import running


def reads(m):
    now = Metrics(m)
    return now.get("kevfs_fuse_operation_duration_seconds_count", operation="read"), now.get("kevfs_prefetched_files_total")


def drop_caches():
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("1")


def fill(fake, pods, events):
    """So many pods with so many events each; returns how many events there are."""
    fake.bulk([("put", "events", "default", event(f"pod-{pod}.{i:016x}", about=f"pod-{pod}")) for pod in range(pods) for i in range(events)])
    return pods * events


def warm_up(m):
    """There is a second worker from the second read on."""
    for _ in range(20):
        Metrics(m)


def test_one_read_for_a_directory(fake, mount):
    """And every byte is what the server has."""
    count = fill(fake, 100, 10)
    m = mount(fake)
    warm_up(m)
    before = reads(m)
    run("grep", "-r", "nothing that is there", m.dir, check=False)
    after = reads(m)
    # Two of a directory of ten, or one, and those of the metrics themselves.
    assert after[0] - before[0] < 100 * 2 + 20 and after[1] - before[1] > count - 100 * 2 - 20, (before, after)
    assert {k: c for k, (_, c) in m.events().items()} == fake.oracle()


@pytest.mark.needs_root
def test_after_the_kernel_has_let_go(fake, mount):
    fill(fake, 20, 10)
    m = mount(fake)
    warm_up(m)
    for _ in range(3):
        assert {k: c for k, (_, c) in m.events().items()} == fake.oracle()
        drop_caches()
    assert reads(m)[1] > 400


@pytest.mark.needs_root
def test_one_here_and_one_there(fake, mount):
    """Who reads single files out of many waits for no others, whatever was read before."""
    count = fill(fake, 40, 10)
    m = mount(fake)
    warm_up(m)
    with os.scandir(m.path(".kevfs/namespaces/default/events")) as entries:
        files = [entry.path for entry in entries]
    assert len(files) == count
    for path in files:
        pathlib.Path(path).read_bytes()
    before = reads(m)
    assert before[1] > count / 2
    drop_caches()
    for path in files[20::40]:
        pathlib.Path(path).read_bytes()
    after = reads(m)
    assert after[0] - before[0] >= 10 and after[1] == before[1], (before, after)


def test_alone_nothing_comes_unasked(fake, mount):
    """Who is given a file waits for whoever reads it; where there is one worker, that would be himself."""
    fill(fake, 10, 10)
    m = mount(fake, arguments=["-s"])
    assert {k: c for k, (_, c) in m.events().items()} == fake.oracle()
    assert reads(m)[1] == 0


def test_a_long_file_comes_when_it_is_asked_for(fake, mount):
    fake.create("default", event("long", message="x" * 900000))
    fill(fake, 1, 3)
    m = mount(fake)
    warm_up(m)
    assert {k: c for k, (_, c) in m.events().items()} == fake.oracle()


def hammer(m, errors, loops):
    """Reads everything in an order of its own, with its pages dropped under it."""
    rng = random.Random(7)

    def loop(stop):
        while not stop.is_set():
            paths = m.files()
            rng.shuffle(paths)
            for at in range(0, len(paths), 500):
                with contextlib.suppress(FileNotFoundError):
                    r = subprocess.run(["xargs", "-0", "-n", "50", "-P", "8", "cat"], input=b"\0".join(paths[at:at + 500]), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=60)
                    errors.extend(line for line in r.stderr.splitlines() if b"No such file" not in line)
            if os.getuid() == 0:
                drop_caches()
            loops.append(None)
    return loop


@pytest.mark.timeout(120)
def test_many_read_the_same(fake, mount):
    """Those who are given files, and those who read them, wait for each other for no longer than a moment; while Events change."""
    fill(fake, 100, 10)
    m = mount(fake)
    errors, loops = [], []
    with running(*[hammer(m, errors, loops) for _ in range(3)]):
        end = time.monotonic() + 10
        i = 0
        while time.monotonic() < end:
            i += 1
            fake.update("default", event(f"pod-{i % 100}.{i % 10:016x}", about=f"pod-{i % 100}", message=f"change {i}"))
    assert errors == [] and len(loops) >= 3
    assert wait_for(lambda: {k: c for k, (_, c) in m.events().items()} == fake.oracle(), 10)


@pytest.mark.timeout(120)
def test_the_end_while_many_read(fake, mount):
    """Whoever is at it is waited for before there is nobody left who answers."""
    fill(fake, 100, 10)
    for _ in range(10):
        m = mount(fake)
        readers = [subprocess.Popen(["sh", "-c", f"while grep -rq nothing {m.dir} || true; do :; done"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(4)]
        try:
            time.sleep(random.uniform(0.1, 0.5))
            start = time.monotonic()
            os.kill(m.pid(), signal.SIGTERM)
            m.wait_end(10)
            assert time.monotonic() - start < 5
        finally:
            for process in readers:
                process.kill()
                process.wait()
        run("umount", "-l", m.dir, check=False)
