"""The man page's MONITORING: what it says can be copied from there, and works."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from events import event
from metrics import Metrics
from mounts import is_mounted
from servers import run, wait_for

PAGE = pathlib.Path(__file__).resolve().parents[2] / "man/kevfs.8"

TESTS = """
rule_files: [rules]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - {series: kevfs_build_info, values: 1x10 _x10}
  - {series: kevfs_stale, values: 0x3 1x1 0x3 1x9}
  - {series: kevfs_objects_skipped_total, values: 0x5 1x20}
  - {series: kevfs_invalidation_blocked_seconds, values: 0x9 61 0x9}
  - {series: kevfs_history_failing, values: 1x20}
  alert_rule_test:
  - {eval_time: 14m, alertname: KevfsStale}
  - {eval_time: 15m, alertname: KevfsStale, exp_alerts: [{exp_annotations: {summary: "Events may be missing, jq .last_error .kevfs/status says why"}}]}
  - {eval_time: 5m, alertname: KevfsSkips}
  - {eval_time: 8m, alertname: KevfsSkips, exp_alerts: [{exp_annotations: {summary: "objects that make no sense are left out, see journalctl -t kevfs"}}]}
  - {eval_time: 9m, alertname: KevfsBlocked}
  - {eval_time: 10m, alertname: KevfsBlocked, exp_alerts: [{exp_annotations: {summary: a local reader holds a directory}}]}
  - {eval_time: 14m, alertname: KevfsHistoryFails}
  - {eval_time: 15m, alertname: KevfsHistoryFails, exp_alerts: [{exp_annotations: {summary: the state directory cannot be written}}]}
  - {eval_time: 10m, alertname: KevfsGone}
  - {eval_time: 21m, alertname: KevfsGone, exp_alerts: [{exp_annotations: {summary: "kevfs is not mounted, or has crashed"}}]}
"""


def block(first):
    """What stands between .RS and .RE of the page and begins with such a line, as a reader sees it."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^\.RS\n({re.escape(first)}\n.*?)^\.RE$", text, re.M | re.S)[1]
    return found.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\e", "\\")


def named(text):
    """The metrics that a text names."""
    return {re.sub(r"_(bucket|sum|count)\Z", "", n) for n in re.findall(r"\bkevfs_[a-z0-9_]+", text)}


def test_every_metric_is_described(fake, mount, scratch):
    """And nothing else is."""
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    assert wait_for(lambda: Metrics(m).get("kevfs_synced") == 1)
    assert named("\n".join(Metrics(m).samples)) == named(PAGE.read_text(encoding="utf-8"))


def test_every_member_is_described(fake, mount, scratch):
    fake.create("default", event("one"))
    m = mount(fake, f"state={scratch}/state")
    page = PAGE.read_text(encoding="utf-8").replace(r"\-", "-")
    section = page[page.index("\n.SS Status\n"):page.index("\n.SS Metrics\n")]
    names = set(re.findall(r'"([a-z_]+)": ', open(m.path(".kevfs/status"), encoding="utf-8").read()))
    assert {"synced_at", "seconds_since_last_byte", "acknowledged"} <= names
    assert not {n for n in names if not re.search(rf"\b{n}\b", section)}


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool here: Debian's package prometheus has it")
def test_the_rules(scratch):
    (scratch / "rules").write_text(block("groups:"))
    (scratch / "tests").write_text(TESTS)
    assert b"5 rules found" in run("promtool", "check", "rules", scratch / "rules").stdout
    r = subprocess.run(["promtool", "test", "rules", "tests"], cwd=scratch, capture_output=True, timeout=60, check=False)
    assert r.returncode == 0, (r.stdout + r.stderr).decode()


def test_the_rules_name_what_there_is():
    page = PAGE.read_text(encoding="utf-8")
    metrics = page[page.index("\n.SS Metrics\n"):page.index("\n.SH MONITORING\n")]
    assert len(named(block("groups:"))) == 5 and named(block("groups:")) <= named(metrics)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_unit(scratch, session):
    text = block("[Unit]").replace("/usr/local/bin/kevfs", str(session.binary))
    (scratch / "kevfs.service").write_text(text)
    r = subprocess.run(["systemd-analyze", "verify", "--man=no", scratch / "kevfs.service"], capture_output=True, timeout=60, check=False)
    assert b"kevfs.service" not in r.stderr, r.stderr.decode()


def test_the_health_check(fake, mount):
    """The line at its top, by all that can be wrong."""
    check = next(l for l in block(PAGE.read_text(encoding="utf-8").split("\n.SH MONITORING\n")[1].split(".RS\n")[1].split("\n")[0]).split("\n") if l)
    m = mount(fake)

    def said():
        return run("sh", "-c", check.replace("/k8s", m.dir), check=False).stdout.decode()
    assert "Events may be missing" in check and wait_for(lambda: said() == "")
    fake.order("outage", seconds=0)
    assert wait_for(lambda: said() == "Events may be missing\n", 15)
    m.unmount()
    m.wait_end()
    assert said() == "Events may be missing\n"


@pytest.mark.needs_root
def test_after_a_crash(fake, mount):
    """What the page says of a dead mount."""
    m = mount(fake)
    os.kill(m.pid(), signal.SIGKILL)
    m.process.wait(10)
    r = run("cat", m.path(".kevfs/status"), check=False)
    assert r.returncode == 1 and b"Transport endpoint is not connected" in r.stderr
    run("umount", "-l", m.dir)
    assert not is_mounted(m.dir)
    m.refused = True  # it did not end well, and was not to
