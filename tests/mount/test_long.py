"""What takes minutes, on a real control plane of its own: scripts/check-all runs it (scripts/test leaves out what is marked slow)."""
import contextlib
import json
import os
import re
import subprocess
import time

import pytest

from conftest import available
from servers import Real, run
from test_live import running

pytestmark = pytest.mark.slow


@pytest.fixture
def own(workspace):
    """Events live for a minute, and etcd is compacted every ten seconds."""
    server = available(lambda: Real(workspace.new_directory("real"), ttl="60s", arguments="--etcd-compaction-interval=10s"))
    yield server
    server.close()


def reader(m, errors, loops):
    """grep -r in a loop, and every Event's file as long as stat says and whole (the links lead to logs, which grow)."""
    def loop(stop):
        while not stop.is_set():
            r = subprocess.run(["grep", "-rl", "BackOff", m.dir], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=100)
            errors.extend(line for line in r.stderr.splitlines() if b"No such file" not in line)
            for d, _, names in os.walk(m.dir):
                for n in [n for n in names if not os.path.islink(os.path.join(d, n))][:3]:
                    with contextlib.suppress(FileNotFoundError), open(os.path.join(d, n), "rb") as f:
                        size, content = os.fstat(f.fileno()).st_size, f.read()
                        assert len(content) == size
                        json.loads(content)
            loops.append(time.monotonic())
    return loop


@pytest.mark.timeout(600)
def test_storm_expiry_compaction_and_kill(own, mount, capsys):
    """10,000 changes and more while grep -r runs in a loop; then everything expires in bursts; then a watch that has fallen behind a
    compaction; then kill -9 of the API server. The tree is served throughout, no error is seen, and it is equal after each."""
    own.flood(1000)
    m = mount(own)
    errors, loops, said = [], [], []
    with running(reader(m, errors, loops)):
        changes, most = 0, 0
        while changes < 10000:
            out = own.flood(1000, "15s")
            changes += int(re.search(r"churned (\d+)", out).group(1))
            most = max(most, len(m.files()))
        said.append(f"storm: {changes} changes, {len(loops)} reader loops; then {m.settle(own, 30)} files equal")
        start = time.monotonic()
        # What is not renewed expires a minute after its last write, in the bursts in which its leases end.
        while len(m.files()) > most / 2:
            assert time.monotonic() - start < 200, "nothing expires"
            time.sleep(0.5)
        said.append(f"expiry: of {most} files {m.settle(own, 60)} are left, equal")
        again = own.kill_apiserver()
        before = len(m.files())
        start = time.monotonic()
        run("ls", "-lR", m.dir)
        alone = time.monotonic() - start
        assert alone < 5 and len(m.files()) == before
        time.sleep(15)  # longer than what etcd keeps
        again()
        own.flood(300)
        said.append(f"kill -9: ls -lR {alone:.2f} s without the server; then {m.settle(own, 60)} files equal")
    assert errors == [] and len(loops) > 3
    with capsys.disabled():
        print("\n" + "\n".join(said))
