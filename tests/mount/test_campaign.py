"""A short piece of the fault campaign (scripts/faults), with a seed of its own: the kinds that are soon over, on one mount."""
import pathlib
import sys
import threading

import pytest

from servers import Unavailable, find_kubectl

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
from cell import Wrong  # noqa: E402
from changes import seeded  # noqa: E402
from fakecell import FakeCell  # noqa: E402
from kinds import KINDS  # noqa: E402

SEED = 6
QUICK = [k for k, kind in KINDS.items() if not kind.overload and kind.weight >= 1]


@pytest.mark.timeout(300)
def test_campaign(session):
    try:
        find_kubectl()
    except Unavailable as e:
        pytest.skip(str(e))
    drawn = list(enumerate(seeded(SEED, "short").sample(QUICK, 30)))
    cells, problems = [], []

    def run(cell, faults):
        for number, kind in faults:
            try:
                cell.fault(number, KINDS[kind])
            except (Wrong, AssertionError, OSError) as e:
                problems.append(f"fault {number}, {kind}: {e!r}")
            problems.extend(cell.notes)
    seen = []
    try:
        for name in ("one", "two"):
            cells.append(FakeCell(session, SEED, name, both=False))
            cells[-1].start()
        threads = [threading.Thread(target=run, args=(cell, drawn[i::2])) for i, cell in enumerate(cells)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        for cell in cells:
            found, said = cell.end()
            problems += found
            seen.append(said)
    assert problems == [] and all(s["changes"] > 100 and s["calls"] > 1000 for s in seen)
