"""/.kevfs/metrics and /.kevfs/version: for monitors."""
import errno
import json
import os
import re
import resource
import subprocess
import threading
import time

import pytest

from events import event, new_name
from metrics import Metrics, check, parse
from mounts import as_user
from reports import read_report, status
from servers import run, wait_for


def test_what_it_says(server, mount):
    m = mount(server)
    assert wait_for(lambda: not status(m)["stale"])
    now, said = Metrics(m), status(m)
    assert now.get("kevfs_build_info", version=said["version"]) == 1
    assert now.get("kevfs_events") >= 2000 and now.get("kevfs_pods") == said["pods"] and now.get("kevfs_namespaces") == said["namespaces"]
    assert 0 < now.get("kevfs_event_bytes") and now.get("kevfs_events_retained") == now.get("kevfs_event_retained_bytes") == 0
    assert now.get("kevfs_synced") == 1 and now.get("kevfs_stale") == 0
    assert time.time() - 60 < now.get("kevfs_start_time_seconds") < now.get("kevfs_synced_timestamp_seconds") <= now.get("kevfs_stale_changed_timestamp_seconds") < time.time()
    for resource in ("events", "pods", "namespaces"):
        assert now.get("kevfs_connected", resource=resource) == now.get("kevfs_watches", resource=resource, state="watching") == now.get("kevfs_watch_up", resource=resource, namespace="") == 1
        assert now.get("kevfs_watch_silence_seconds", resource=resource, namespace="") < 60
        assert now.get("kevfs_watch_received_bytes_total", resource=resource, namespace="") > 100
        assert now.get("kevfs_watch_reconnects_total", resource=resource, namespace="") == now.get("kevfs_watch_relists_total", resource=resource, namespace="") == 0
    assert now.get("kevfs_log_appended_total") >= now.get("kevfs_events") and now.get("kevfs_log_missing_total") == 0
    assert "kevfs_history_acknowledged_total" not in now.samples


def test_an_update_is_followed_by_what_it_costs(fake, mount):
    """Each of these counters tells of what it is named after."""
    fake.create("default", event("one"))
    m = mount(fake)
    path = m.path("default/pods/web-1/events/one")
    for p in (path, m.path("events.log"), m.path("default/pods/web-1/events")):
        os.listdir(p) if os.path.isdir(p) else open(p, "rb").read()
    before = Metrics(m)
    fake.update("default", event("one", message="another"))
    assert wait_for(lambda: b"another" in open(path, "rb").read())
    assert wait_for(lambda: Metrics(m).get("kevfs_invalidations_total", kind="size") > before.get("kevfs_invalidations_total", kind="size"))
    now = Metrics(m)

    def grown(name, **labels):
        return now.get(name, **labels) - before.get(name, **labels)
    assert grown("kevfs_invalidations_total", kind="entry") >= 1 and grown("kevfs_invalidations_total", kind="tail") >= 1
    assert grown("kevfs_log_appended_total") == 1 and grown("kevfs_watch_received_bytes_total", resource="events", namespace="") > 100
    assert grown("kevfs_fuse_operation_duration_seconds_count", operation="lookup") >= 1
    assert grown("kevfs_fuse_operation_duration_seconds_sum", operation="read") > 0
    # The Event's name holds no time: each revision of it counts.
    assert now.get("kevfs_event_names_without_time_total") == 2
    fake.create("default", event(new_name()))
    assert wait_for(lambda: Metrics(m).get("kevfs_events") == 2)
    assert Metrics(m).get("kevfs_event_names_without_time_total") == 2
    assert now.get("kevfs_fuse_errors_total", operation="lookup") == 0 and now.get("kevfs_resyncs_total") == now.get("kevfs_invalidations_refused_total") == 0 == now.get("kevfs_invalidation_blocked_seconds")


def test_what_makes_no_sense_is_counted(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    assert Metrics(m).get("kevfs_objects_skipped_total") == 0
    fake.create_raw("default", b'{"metadata":{"name":"bad"},"v":1e999}')
    assert wait_for(lambda: Metrics(m).get("kevfs_objects_skipped_total") == 1)
    assert status(m)["skipped"] == 1


def test_errors_are_counted(fake, mount):
    """What is waited for in vain."""
    with fake.fault("stall", resource="events") as fault:
        m = mount(fake, "delay_sync", "sync_timeout=1")
        assert subprocess.run(["stat", m.path("default")], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30).returncode == 1
        now = Metrics(m)
        assert now.get("kevfs_synced") == 0 and now.get("kevfs_stale") == 1 and "kevfs_synced_timestamp_seconds" not in now.samples
        assert sum(now.get("kevfs_watches", resource="events", state=s) for s in ("listing", "waiting")) == 1 and now.get("kevfs_connected", resource="events") == 0
        # Counted right behind the reply. It was its caller's second that counts.
        assert wait_for(lambda: Metrics(m).get("kevfs_fuse_errors_total", operation="lookup") >= 1)
        assert Metrics(m).get("kevfs_fuse_operation_duration_seconds_sum", operation="lookup") > 0.9
        assert status(m)["watches"]["events"]["each"][0]["state"] in ("listing", "waiting") and read_report(m, "version").startswith(b"kevfs ")
        fault.remove()
    assert wait_for(lambda: Metrics(m).get("kevfs_synced") == 1, 30)


def test_the_server_goes_and_comes_back(fake, mount):
    m = mount(fake)
    assert wait_for(lambda: Metrics(m).get("kevfs_stale") == 0)
    fake.order("outage", seconds=0)
    assert wait_for(lambda: Metrics(m).get("kevfs_stale") == 1, 10)
    assert wait_for(lambda: Metrics(m).get("kevfs_watches", resource="events", state="waiting") == 1)
    each = status(m)["watches"]["events"]["each"]
    assert len(each) == 1 and each[0]["namespace"] is None and "127.0.0.1" in each[0]["last_error"] and each[0]["last_error_time"] > each[0]["since"][:10]
    before = each[0]["seconds_since_last_byte"]
    assert wait_for(lambda: status(m)["watches"]["events"]["each"][0]["seconds_since_last_byte"] > before + 0.2)
    fake.order("recover")
    assert wait_for(lambda: Metrics(m).get("kevfs_stale") == 0, 45, 0.1)
    now = Metrics(m)
    assert now.get("kevfs_watch_reconnects_total", resource="events", namespace="") == 1 <= now.get("kevfs_watch_relists_total", resource="events", namespace="")


def test_a_resource_version_is_told(fake, mount):
    """That of the newest that came, and it is the watch's own."""
    m = mount(fake)
    fake.create("default", event("one"))
    assert wait_for(lambda: status(m)["events"] == 1)
    rv = json.loads(fake.kubectl("get", "event", "one", "-o", "json").stdout)["metadata"]["resourceVersion"]
    assert wait_for(lambda: status(m)["watches"]["events"]["each"][0]["resource_version"] == rv)
    assert status(m)["watches"]["events"]["each"][0]["seconds_since_last_byte"] < 5


def test_a_watch_a_namespace(fake, mount):
    names = [f"ns-{i}" for i in range(40)]
    for n in names:
        fake.namespace(n)
    m = mount(fake, *(f"namespace={n}" for n in names))
    assert wait_for(lambda: not status(m)["stale"])
    now = Metrics(m)
    assert [now.get("kevfs_watch_up", resource=r, namespace=n) for n in names for r in ("events", "pods")] == [1] * 80
    assert now.get("kevfs_watches", resource="events", state="watching") == 40
    said = status(m)["watches"]["events"]
    assert said["count"] == 40 and said["denied"] == 0 and [w["namespace"] for w in said["each"]] == sorted(names) and {w["state"] for w in said["each"]} == {"watching"}


def test_a_history(fake, mount, scratch):
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    assert wait_for(lambda: Metrics(m).get("kevfs_history_acknowledged_total") == 1)
    fake.update("default", event("one", message="another"))
    assert wait_for(lambda: Metrics(m).get("kevfs_history_superseded") == 1)
    assert Metrics(m).get("kevfs_history_failing") == 0


def test_of_a_file(fake, mount, scratch):
    fake.create("default", event("one"))
    (scratch / "list").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    m = mount(None, source=f"file:{scratch}/list")
    now = Metrics(m)
    assert now.get("kevfs_events") == 1 and now.get("kevfs_stale") == 0 and not [n for n in now.samples if "watch" in n or n == "kevfs_connected"]


def test_each_look_is_fresh_and_whole(fake, mount):
    """As long as stat says, and as the format wants it, from several threads while it changes."""
    m = mount(fake)
    path, errors, counts = m.path(".kevfs/metrics"), [], set()
    stop = threading.Event()

    def look():
        try:
            while not stop.is_set():
                with open(path, "rb") as f:
                    size, text = os.fstat(f.fileno()).st_size, f.read()
                assert len(text) == size
                counts.add(parse(text.decode())["kevfs_events"][()])
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)
    threads = [threading.Thread(target=look) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(10):
        fake.load(20, namespaces=1)
        time.sleep(0.1)
    stop.set()
    for t in threads:
        t.join()
    assert errors == [] and len(counts) >= 2
    with open(path, "rb") as f:
        before = os.fstat(f.fileno())
        text = f.read()
        assert len(text) == before.st_size and len({os.stat(path).st_ino, before.st_ino}) == 1
        assert wait_for(lambda: os.stat(path).st_mtime_ns > before.st_mtime_ns)
        f.seek(0)
        assert f.read() == text


def test_who_opens_many_is_refused(fake, mount):
    """They are made for each who opens one, and kept for as long as he has it open: not without bounds. What is large is less often."""
    names = [f"ns-{i}" for i in range(100)]
    m = mount(fake, "max_watches=200", *(f"namespace={n}" for n in names))
    size, held = len(read_report(m, "status")), []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 1 << 16)), hard))
    try:
        with pytest.raises(OSError) as refused:
            while len(held) * size < 100 << 20:
                held.append(os.open(m.path(".kevfs/status"), os.O_RDONLY))
        assert refused.value.errno == errno.ENFILE and 20 << 20 < len(held) * size <= 64 << 20
        for name in ("status", "metrics"):
            with pytest.raises(OSError):
                read_report(m, name)
        assert "ns-0" in os.listdir(m.dir) and json.loads(os.pread(held[0], 1 << 22, 0))["synced"]
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert wait_for(lambda: os.path.exists(m.path(".kevfs/status")) and os.path.exists(m.path(".kevfs/metrics")))
    check(read_report(m, "metrics").decode())


def test_version(fake, mount):
    m = mount(fake)
    said = read_report(m, "version")
    assert said == run(m.session.binary, "--version").stdout and os.stat(m.path(".kevfs/version")).st_size == len(said)
    assert re.fullmatch(rb"kevfs \d+\.\d+\.\d+\nlibfuse 3\.\S+\nlibcurl \d\S+ \(\S.*\)\n", said)


def test_they_are_seen_in_kevfs_only(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    assert {"status", "metrics", "version"} <= set(os.listdir(m.path(".kevfs"))) and ".kevfs" not in os.listdir(m.dir)
    assert [os.path.basename(f) for f in m.files()] == [b"one"]
    for name in ("metrics", "version"):
        assert os.stat(m.path(".kevfs", name)).st_mode & 0o7777 == 0o444
        with pytest.raises(OSError):
            os.open(m.path(".kevfs", name), os.O_WRONLY)


@pytest.mark.needs_root
def test_whoever_may_look_may_look_at_them(fake, mount):
    m = mount(fake, "allow_other")
    for name in ("status", "metrics", "version"):
        assert run(*as_user(65534), "cat", m.path(".kevfs", name)).stdout
    check(run(*as_user(65534), "cat", m.path(".kevfs/metrics")).stdout.decode())
