"""The checks themselves: each must fail on what it is there to find. Run with pytest."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent
ROOT = TESTS.parent
sys.path.insert(0, str(TESTS))

import check_layering
import check_options
import results


# check_layering

@pytest.fixture
def house(tmp_path):
    """Writes a small house that keeps to the plan; house(path=text) changes it, and returns what is found wrong."""
    good = {
        "include/kevfs/base/buf.h": "#ifndef B\n#define B\n#include <stddef.h>\n#endif\n",
        "include/kevfs/store/store.h": '#include "kevfs/base/buf.h"\n',
        "include/kevfs/watch/feed.h": '#include "kevfs/store/store.h"\n',
        "include/kevfs/tree/tree.h": '#include "kevfs/store/store.h"\n',
        "fs/base/buf.c": '#include "kevfs/base/buf.h"\n#include <stdlib.h>\n#include <uthash.h>\n',
        "fs/cluster/http.c": '#include <curl/curl.h>\n#include "kevfs/base/buf.h"\n',
        "fs/watch/feed.c": '#include "kevfs/watch/feed.h"\n',
        "fs/tree/tree.c": '#include "kevfs/tree/tree.h"\n',
        "fs/main.c": '#include <fuse_lowlevel.h>\n#include "kevfs/watch/feed.h"\n#include "kevfs/tree/tree.h"\n',
        "tests/unit/test.h": "#include <cmocka.h>\n",
        "tests/unit/tree/test_tree.c": '#include "test.h"\n#include "kevfs/tree/tree.h"\n',
    }

    def check(changes=None):
        for path, text in {**good, **(changes or {})}.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return check_layering.check(tmp_path)[0]
    return check


def test_layering_accepts_the_plan(house):
    assert house() == []


def test_layering_accepts_this_checkout():
    wrong, count = check_layering.check(ROOT)
    assert wrong == [] and count > 50


@pytest.mark.parametrize("path, text, said", [
    ("fs/base/up.c", '#include "kevfs/store/store.h"\n', "base (floor 0) must not see store (floor 2)"),
    ("fs/tree/sideways.c", '#include "kevfs/watch/feed.h"\n', "tree (floor 3) must not see watch (floor 3)"),
    ("fs/watch/sideways.c", '  #  include "kevfs/tree/tree.h"\n', "watch (floor 3) must not see tree (floor 3)"),
    ("include/kevfs/tree/sideways.h", '#include "kevfs/watch/feed.h"\n', "tree (floor 3) must not see watch (floor 3)"),
    ("tests/unit/tree/test_up.c", '#include "kevfs/watch/feed.h"\n', "tree (floor 3) must not see watch (floor 3)"),
    ("fs/tree/private.c", '#include "../watch/private.h"\n', '"../watch/private.h" is not there'),
    ("fs/watch/http.c", "#include <curl/curl.h>\n", "<curl/curl.h> belongs into"),
    ("fs/cluster/credential.c", "#include <curl/curl.h>\n", "<curl/curl.h> belongs into"),
    ("fs/watch/parse.c", "#include <jansson.h>\n", "<jansson.h> belongs into"),
    ("fs/tree/hash.c", "#include <openssl/sha.h>\n", "<openssl/sha.h> belongs into"),
    ("fs/tree/mount.c", "#include <fuse3/fuse.h>\n", "<fuse3/fuse.h> belongs into"),
    ("fs/daemon.c", "#include <fuse_lowlevel.h>\n", "<fuse_lowlevel.h> belongs into"),
    ("fs/base/glib.c", "#include <glib.h>\n", "<glib.h> is a foreign header"),
    ("fs/base/macro.c", "#include HEADER\n", "cannot be checked"),
    ("fs/attic/new.c", "#include <stdio.h>\n", "attic is no room"),
    ("include/kevfs/base/buf.h", '#include "kevfs/base/log.h"\n', '"kevfs/base/log.h" is not there'),
])
def test_layering_finds_violation(house, path, text, said):
    wrong = house({path: text})
    assert len(wrong) == 1 and said in wrong[0] and path in wrong[0], wrong


def test_layering_finds_circle_of_headers(house):
    wrong = house({"include/kevfs/base/a.h": '#include "kevfs/base/b.h"\n', "include/kevfs/base/b.h": '#include "b2.h"\n', "include/kevfs/base/b2.h": '#include "kevfs/base/a.h"\n'})
    assert len(wrong) == 1 and "in a circle" in wrong[0] and wrong[0].count("->") == 3, wrong


def test_layering_ignores_comments(house):
    assert house({"fs/base/note.c": '/* as in\n#include "kevfs/tree/tree.h"\n*/\n#include <stdio.h> // "x"\n'}) == []


def test_layering_plan_has_no_circles(monkeypatch):
    assert check_layering.check_plan() == []
    monkeypatch.setitem(check_layering.SEES, "base", {"top"})
    assert check_layering.check_plan() == ["the plan lets base see top, which is no lower floor"]


# check_options

HELP = """usage: x

  -f, --foreground   stay
  -h, --help         this text
  -o namespace=NS           only this
  -o kubeconfig=PATH        read this
  -o sync_timeout=SECONDS   give up (30)
  -o delay_sync             at once
  -o uid=N                  owner
  -o gid=N                  group
"""
PAGE = r""".TH X 8
.SH OPTIONS
.TP
.BR \-f ", " \-\-foreground
stay
.TP
.BR \-h ", " \-\-help
help
.PP
The following are given behind
.BR \-o ,
separated by commas.
.TP
.BI namespace= NS
Only this.
.TP
.BI kubeconfig= PATH
Read this.
.TP
.BI sync_timeout= SECONDS
Give up (default 30).
.TP
.B delay_sync
At once.
.TP
.BI uid= N\fR,\fP " gid=" N
Owner and group.
.SH SIGNALS
.TP
.B SIGTERM
"""
SOURCE = """const struct kev_option kev_option_rows[] = {
	{"namespace", "NS", set_namespace, "only this"},
	{"kubeconfig", "PATH", set_kubeconfig,
		"read this"},
	{"sync_timeout", "SECONDS", set_timeout, "give up (30)"},
	{"delay_sync", NULL, set_delay, "at once"},
	{"uid", "N", set_uid, "owner"},
	{"gid", "N", set_gid, "group"},
	{"ro", NULL, ignore, NULL},
};
"""


def test_options_accepts_agreement():
    assert check_options.compare(HELP, PAGE, SOURCE) == []


@pytest.mark.parametrize("help_text, page, source, said", [
    (HELP.replace("  -o delay_sync             at once\n", ""), PAGE, SOURCE, ["-o delay_sync is in the man page, but not in --help", "-o delay_sync has a help text in the table, but is not in --help"]),
    (HELP, PAGE.replace(".TP\n.B delay_sync\nAt once.\n", ""), SOURCE, ["-o delay_sync is in --help, but not in the man page"]),
    (HELP, PAGE.replace('" gid=" N', '" gid=" NUMBER'), SOURCE, ["-o gid=N is in --help, but not in the man page", "-o gid=NUMBER is in the man page, but not in --help"]),
    (HELP, PAGE.replace("default 30", "default 60"), SOURCE, ["-o sync_timeout=SECONDS: the default is 30 in --help, and 60 in the man page"]),
    (HELP.replace("-f, --foreground  ", "-f                "), PAGE, SOURCE, ["--foreground is in the man page, but not in --help"]),
    (HELP, PAGE, SOURCE.replace('"owner"', "NULL"), ["-o uid=N is in --help, but has no help text in the table"]),
])
def test_options_finds_difference(help_text, page, source, said):
    assert check_options.compare(help_text, page, source) == said


def test_options_finds_unreadable_page():
    assert any("cannot read the options of the man page" in w for w in check_options.compare(HELP, ".SH NAME\n", SOURCE))


CHECK_HELP = """usage: kevfs check SOURCE

  -o OPTIONS         those of the mount
  --json             for programs
  -h, --help         this text

Exit status: 0 fine, else:
  1 command line    3 name (DNS)   5 TLS
  2 configuration   4 connection   10 the file (file:PATH)
"""
CHECK_PAGE = r""".SH OPTIONS
.TP
.BI \-o " OPTIONS"
Those.
.TP
.B \-\-json
For programs.
.TP
.BR \-h ", " \-\-help
list
.SH EXIT STATUS
""" + "".join(f".TP\n.B {n}\nsomething\n" for n in (0, 1, 2, 3, 4, 5, 10))


def test_options_accepts_agreement_of_check():
    assert check_options.compare_check(CHECK_HELP, CHECK_PAGE) == []


@pytest.mark.parametrize("help_text, page, said", [
    (CHECK_HELP.replace("-h, --help ", "-h         "), CHECK_PAGE, "check: --help is in the man page, but not in --help"),
    (CHECK_HELP, CHECK_PAGE.replace(".TP\n.B \\-\\-json", ".PP\n.B json"), "check: --json is in --help, but not in the man page"),
    (CHECK_HELP.replace("5 TLS", "6 TLS"), CHECK_PAGE, "check: exit codes [0, 1, 2, 3, 4, 6, 10] in --help, and [0, 1, 2, 3, 4, 5, 10] in the man page"),
])
def test_options_finds_difference_of_check(help_text, page, said):
    assert check_options.compare_check(help_text, page) == [said]


def test_options_finds_what_the_program_refuses(tmp_path):
    program = tmp_path / "kevfs"
    program.write_text('#!/bin/sh\ncase "$*" in *delay_sync*) echo unknown >&2; exit 1;; esac\necho usage\n')
    program.chmod(0o755)
    assert check_options.try_out(str(program), ["-f", "-o uid=N", "-o delay_sync"]) == ["kevfs -o delay_sync -h: exit 1: unknown"]
    assert check_options.try_out(str(program), ["-o color=HUE"]) == ["-o color=HUE: this test knows no value for HUE"]


# results

def count(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["results.py", *map(str, arguments)])
    results.main()
    return capsys.readouterr().out.splitlines()


def test_results_of_meson(tmp_path, capsys, monkeypatch):
    log = tmp_path / "testlog.json"
    log.write_text("".join(json.dumps({"name": n, "result": r, "stdout": o}) + "\n" for n, r, o in [
        ("a", "OK", ""), ("b", "FAIL", "x"), ("c", "TIMEOUT", ""), ("d", "SKIP", "one\nno fuse\n"), ("e", "SKIP", "no fuse\n"), ("f", "ERROR", "")]))
    assert count(capsys, monkeypatch, "meson", log) == ["1 3 2", "FAILED b: FAIL", "FAILED c: TIMEOUT", "FAILED f: ERROR", "skipped, 2: no fuse"]


def test_results_of_pytest(tmp_path, capsys, monkeypatch):
    file = tmp_path / "junit.xml"
    file.write_text("""<testsuites><testsuite><testcase classname="m" name="a"/><testcase classname="m" name="b"><failure message="assert 1&#10;two">x</failure><error message="teardown"/></testcase>
        <testcase classname="m" name="c"><skipped message="needs root"/></testcase><testcase classname="m" name="d"><error message="setup"/></testcase></testsuite></testsuites>""")
    assert count(capsys, monkeypatch, "junit", file) == ["1 2 1", "FAILED m.b: assert 1 two", "FAILED m.d: setup", "skipped, 1: needs root"]


@pytest.mark.parametrize("kind, text", [("meson", ""), ("meson", "{"), ("junit", "<testsuites/>"), ("junit", "<"), ("junit", None)])
def test_results_that_are_none_fail(tmp_path, capsys, monkeypatch, kind, text):
    file = tmp_path / "file"
    if text is not None:
        file.write_text(text)
    assert count(capsys, monkeypatch, kind, file)[0] == "0 1 0"


# scripts/checks.sh

def checks(tmp_path, script):
    """Runs a script that has sourced scripts/checks.sh in a small checkout of its own; returns its exit code and what it said."""
    checkout = tmp_path / "checkout"
    if not checkout.exists():
        (checkout / "scripts").mkdir(parents=True)
        for name in ("lib.sh", "checks.sh"):
            (checkout / "scripts" / name).symlink_to(ROOT / "scripts" / name)
        (checkout / "tests").symlink_to(TESTS)
    (tmp_path / "tmp").mkdir(exist_ok=True)
    text = f'set -uo pipefail\n. "{checkout}/scripts/checks.sh"\n{script}\n'
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    r = subprocess.run(["bash", "-c", text], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert list((tmp_path / "tmp").iterdir()) == []
    return r.returncode, r.stdout + r.stderr


def test_checks_count(tmp_path):
    code, said = checks(tmp_path, 'check good 5 true; check skip 5 bash -c "echo no such thing; exit 77"; finish')
    assert code == 0 and said.splitlines()[-1] == "2 passed, 0 failed, 1 skipped" and "skipped  skip: no such thing" in said


def test_checks_fail(tmp_path):
    code, said = checks(tmp_path, 'check good 5 true; check bad 5 bash -c "echo because; exit 3"; check slow 1 sleep 20; finish')
    assert code == 1 and said.splitlines()[-1] == "2 passed, 2 failed, 0 skipped"
    assert "FAILED   bad\n    because" in said and "FAILED   slow: not done after 1 s" in said


@pytest.mark.parametrize("what, said", [
    ('setsid sleep 300 & disown', "process "),
    ('touch "$TMPDIR/left"', "/left"),
])
def test_checks_find_what_is_left_behind(tmp_path, what, said):
    code, output = checks(tmp_path, f"check leaves 5 bash -c '{what}'; KEVFS_GRACE=1 finish")
    assert code == 1 and "FAILED   nothing is left behind" in output and said in output, output
    assert output.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"


def test_checks_runner_that_fails_without_a_failed_test_fails(tmp_path):
    report = '<testsuites><testsuite><testcase classname="m" name="a"/></testsuite></testsuites>'
    code, said = checks(tmp_path, f"""check_many odd 5 junit "$logs/x.xml" bash -c 'echo '"'"'{report}'"'"' >"$1"; exit 2' - "$logs/x.xml"; finish""")
    assert code == 1 and said.splitlines()[-1] == "2 passed, 1 failed, 0 skipped", said


# The README

def test_readme_names_the_two_commands():
    block = re.search(r"^## Quick start\n.*?^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S).group(1)
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert commands == ["scripts/try", "scripts/test"]
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)


def test_readme_links_lead_somewhere():
    for document in (ROOT / "README.md", ROOT / "fs/README.md", ROOT / "tests/cluster/README.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            assert link.startswith("https://") or (document.parent / link).exists(), f"{document.name}: {link}"


def test_examples_list_what_is_behind_a_link():
    """ls -l of "events" shows the link itself; with a slash behind it, what is in there."""
    said = "".join((ROOT / document).read_text().replace("\\-", "-") for document in ("README.md", "man/kevfs.8"))
    listed = re.findall(r"^ *(?:\$ )?ls -l\S* (\S+)", said, re.M)
    assert len(listed) >= 4
    assert [path for path in listed if re.search(r"/(events|by-[a-z]+)$", path)] == []


@pytest.mark.parametrize("page", sorted((ROOT / "man").iterdir()), ids=lambda page: page.name)
def test_man_pages_break_no_word(page):
    """What is broken at the end of a line, such as an option, cannot be searched for."""
    said = subprocess.run(["man", "-l", page], env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=30).stdout
    assert len(said) > 1000
    source = page.read_text().replace("\\-", "-")
    broken = re.findall(r"(\S*\w[\u2010-])\n +(\w+)", said)
    assert [a + b for a, b in broken if (a + b).replace("\u2010", "-").strip("(") not in source] == []


def test_man_pages_are_installed_and_named():
    pages = sorted(page.name for page in (ROOT / "man").iterdir())
    assert sorted(re.findall(r"'man/([^']+)'", (ROOT / "meson.build").read_text())) == pages
    main = (ROOT / "man/kevfs.8").read_text().replace("\\-", "-")
    assert all(f".BR {page[:-2]} (8)" in main for page in pages if page != "kevfs.8")


def test_recording_names_nobody():
    """The recording holds real components' events only, and no address or host of where it was made."""
    text = (ROOT / "scripts/cluster.watch").read_text()
    events = [json.loads(line)["object"] for line in text.splitlines()]
    hosts = {e["source"].get("host") or e.get("reportingInstance") for e in events}
    assert all(h == "" or re.fullmatch(r"node-\d|default-scheduler-control-plane|[a-z-]*controller[a-z-]*", h) for h in hosts), hosts
    assert not re.search(r"\d+\.\d+\.\d+\.\d+", text)
    assert len(events) > 400
