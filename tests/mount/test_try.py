"""scripts/try, with the binary under test in place of the one that it would build."""
import json
import pathlib
import shutil

import pytest

from events import event
from mounts import is_mounted
from servers import run

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def attempt(session, scratch):
    """attempt(source, …) runs the script of a checkout in which there is nothing left to build."""
    for name in ("try", "lib.sh", "cluster.watch"):
        (scratch / "scripts").mkdir(exist_ok=True)
        shutil.copy(SCRIPTS / name, scratch / "scripts")
    built = scratch / "build-try"
    (built / "fs").mkdir(parents=True)
    (built / "build.ninja").write_text("build all: phony\n")
    (built / "fs/kevfs").symlink_to(session.binary)
    point = scratch / "mnt"

    def make(*arguments, kubeconfig, **keywords):
        r = run(scratch / "scripts/try", *arguments, check=False, env={**session.environment, "KUBECONFIG": str(kubeconfig)}, **keywords)
        return r.returncode, r.stdout.decode(), r.stderr.decode()
    make.point, make.program = point, built / "fs/kevfs"
    yield make
    if is_mounted(point):
        run("umount", point)


def started(point):
    return json.loads((point / ".kevfs/status").read_text())["started"]


def test_says_where_all_is(fake, attempt):
    fake.create("default", event("one"))
    code, out, err = attempt("-", attempt.point, kubeconfig=fake.kubeconfig)
    assert code == 0 and err == "", err
    assert f"The program is {attempt.program};" in out and f"Where README.md says /k8s, this is {attempt.point}\n" in out


def test_some_namespaces_are_forbidden(fake, attempt):
    """The first of them, and the last: find meets them before the event, and after it."""
    for name in ("a", "m", "z"):
        fake.namespace(name)
        fake.create(name, event(f"one-{name}", name))
    fake.order("config", permitted={"events": ["m"]})
    code, out, err = attempt("token", attempt.point, kubeconfig=fake.kubeconfig)
    assert code == 0 and "Permission denied" not in err, (out, err)
    assert "1 events are files now" in out and "  m/" in out and '"name": "one-m"' in out
    assert f"find {attempt.point} -type f -printf '%C+  %P\\n' 2>/dev/null | sort" in out and f"{attempt.point}/a" not in out
    # Whoever may see all of it needs none of that.
    fake.order("config", permitted=None)
    assert "2>/dev/null" not in attempt("token", attempt.point, kubeconfig=fake.kubeconfig)[1]


@pytest.mark.parametrize("source", ["nope", "file:/no/such"])
def test_a_mistake_costs_nothing(fake, attempt, source):
    """What is mounted stays, although each run mounts anew."""
    fake.create("default", event("one"))
    assert attempt("-", attempt.point, kubeconfig=fake.kubeconfig)[0] == 0
    mounted = started(attempt.point)
    code, _, err = attempt(source, attempt.point, kubeconfig=fake.kubeconfig)
    assert code == 1 and f"{attempt.point} still shows -" in err and source.removeprefix("file:") in err, err
    assert is_mounted(attempt.point) and started(attempt.point) == mounted
    assert attempt("-", attempt.point, kubeconfig=fake.kubeconfig)[0] == 0
    assert started(attempt.point) != mounted
