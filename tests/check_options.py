#!/usr/bin/env python3
"""Holds the options of kevfs --help, of its man page and of its table (fs/options_table.c) against each other.

    check_options.py KEVFS [CHECKOUT]

Whatever --help lists, the man page describes, and the other way round, with the same form of value (-o name=VALUE or a flag);
the defaults that both name are the same; and the program takes each of them. What the table has beyond that, it
takes silently, for mount(8)'s sake: the man page says so of all of them. `kevfs check --help` and its page agree as well. Prints the differences, a line each; exit 1 if there are any.
"""
import pathlib
import re
import subprocess
import sys

# A value that is right for an option, by the word that stands for it.
SAMPLES = {
    "NS": "default",
    "SEL": "type=Warning",
    "PATH": "/nowhere",
    "SECONDS": "5",
    "DIRS": "/opt/bin:/usr/bin",
    "SPEED": "0.5",
    "SIZE": "512K",
    "LIMIT": "24h",
    "DIR": "/nowhere",
    "LEVEL": "info",
    "N": "7",
    "OCTAL": "027",
    "name|last": "last",
    "CONTEXT": "system_u:object_r:x_t:s0",
}


def options_of_help(text):
    """{"-f", "--foreground", "-o name=VALUE", "-o flag": the line that says what it does}"""
    found = {}
    for line in text.splitlines():
        if m := re.match(r"  -o (\S+)\s+(\S.*)$", line):
            found["-o " + m.group(1)] = m.group(2)
        elif m := re.match(r"  ((?:-\w|--[\w-]+)(?:, (?:-\w|--[\w-]+))*)\s\s+(\S.*)$", line):
            for name in m.group(1).split(", "):
                found[name] = m.group(2)
    return found


def unescape(roff):
    """What man shows of a text: without fonts, escapes resolved."""
    text = re.sub(r"\\f(?:\[\w*\]|\(\w\w|.)", "", roff)
    return text.replace(r"\-", "-").replace(r"\&", "").replace(r"\e", "\\").replace(r"\(ti", "~")


def line_text(line):
    """The text of a line: the arguments of a macro, joined as .BR and .BI join them, or the line itself."""
    if not line.startswith("."):
        return unescape(line)
    macro, _, rest = line.partition(" ")
    words = [quoted or bare for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|(\S+)', rest)]
    return unescape((" " if macro in (".B", ".I") else "").join(words))


def section(page, name):
    m = re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH |\Z)", page, re.M | re.S)
    return m.group(1) if m else ""


def options_of_man(page):
    """The same of the section OPTIONS: what stands behind .TP, before and after "given behind -o"."""
    found, behind_o = {}, False
    lines = section(page, "OPTIONS").splitlines()
    for i, line in enumerate(lines):
        if re.match(r"\.BR? +\\-o\b", line):
            behind_o = True
        if line != ".TP":
            continue
        text = []
        for following in lines[i + 2:]:
            if following in (".TP", ".PP"):
                break
            text.append(line_text(following))
        for name in re.split(r",\s*", line_text(lines[i + 1])):
            found[("-o " if behind_o else "") + name.strip()] = " ".join(text)
    return found


def options_of_table(source):
    """{name or name=VALUE: is it listed in --help} of the rows in fs/options_table.c"""
    table = re.search(r"^const struct kev_option kev_option_rows\[\] = \{\n(.*?)^\};", source, re.M | re.S).group(1)
    rows = re.findall(r'\{"([\w-]+)",\s*(NULL|"[^"]*"),\s*\w+,\s*(NULL|"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*)\}', table)
    assert len(rows) == table.count('{"'), "a row of the table has another form than this test knows"
    return {name + (f"={value[1:-1]}" if value != "NULL" else ""): text != "NULL" for name, value, text in rows}


def default_of(text):
    """What a description names as the default, as both of these say it: "... (30)" and "(default 30)"."""
    m = re.search(r"\(default:? ([^)]*)\)|\(([^)]*)\)$|(\S+) \(the default\)", text)
    return next((g for g in m.groups() if g), "").strip(".,") if m else ""


def compare(help_text, page, source):
    """Every difference, a line each."""
    shown, described, table = options_of_help(help_text), options_of_man(page), options_of_table(source)
    wrong = []
    for what, there in (("--help", shown), ("the man page", described)):
        if len([o for o in there if o.startswith("-o ")]) < 5 or "-h" not in there:
            wrong.append(f"cannot read the options of {what}: {sorted(there)}")
    wrong += [f"{o} is in --help, but not in the man page" for o in sorted(shown.keys() - described.keys())]
    wrong += [f"{o} is in the man page, but not in --help" for o in sorted(described.keys() - shown.keys())]
    listed = {"-o " + o for o, help_line in table.items() if help_line}
    wrong += [f"{o} has a help text in the table, but is not in --help" for o in sorted(listed - shown.keys())]
    wrong += [f"{o} is in --help, but has no help text in the table" for o in sorted(o for o in shown.keys() - listed if o.startswith("-o "))]
    for o in sorted(shown.keys() & described.keys()):
        ours, theirs = default_of(shown[o]), default_of(described[o])
        if o.startswith("-o ") and ours != theirs:
            wrong.append(f"{o}: the default is {ours or 'not named'} in --help, and {theirs or 'not named'} in the man page")
    return wrong


def compare_check(help_text, page):
    """The same of `kevfs check --help` and its own page: options, and what the exit status says."""
    shown, described = set(options_of_help(help_text)), set()
    lines = section(page, "OPTIONS").splitlines()
    for i, line in enumerate(lines):
        if line == ".TP":
            described |= {name.strip().split(" ")[0] for name in line_text(lines[i + 1]).split(",")}
    shown = {o.split(" ")[0] for o in shown}
    wrong = [f"check: {o} is in --help, but not in the man page" for o in sorted(shown - described)]
    wrong += [f"check: {o} is in the man page, but not in --help" for o in sorted(described - shown)]
    if not {"-h", "--json", "-o"} <= shown:
        wrong.append(f"cannot read the options of check --help: {sorted(shown)}")
    codes = {int(n) for n in re.findall(r"^\.TP\n\.B (\d+)$", section(page, "EXIT STATUS"), re.M)}
    helped = {int(n) for line in help_text[help_text.index("Exit status"):].splitlines() if line.startswith("  ") for n in re.findall(r"(?<=  )(\d+) \w", line)} | {0}
    if codes != helped or len(codes) < 5:
        wrong.append(f"check: exit codes {sorted(helped)} in --help, and {sorted(codes)} in the man page")
    return wrong


def try_out(kevfs, options):
    """What the program itself does not take, a line each. -h behind an option ends it, well, once the option is taken."""
    wrong = []
    for option in options:
        if option in ("-h", "--help", "-V", "--version"):
            arguments = [option]
        elif option.startswith("-o "):
            name, _, word = option[3:].partition("=")
            if word and word not in SAMPLES:
                wrong.append(f"{option}: this test knows no value for {word}")
                continue
            arguments = ["-o", f"{name}={SAMPLES[word]}" if word else name, "-h"]
        else:
            arguments = [option, "-h"]
        r = subprocess.run([kevfs, *arguments], capture_output=True, text=True, timeout=20, check=False)
        if r.returncode or not r.stdout:
            wrong.append(f"kevfs {' '.join(arguments)}: exit {r.returncode}: {r.stderr.strip()}")
    return wrong


def main():
    kevfs = sys.argv[1]
    root = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).resolve().parent.parent
    help_text = subprocess.run([kevfs, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    page, source = (root / "man/kevfs.8").read_text(), (root / "fs/options_table.c").read_text()
    wrong = compare(help_text, page, source)
    silent = ["-o " + o.replace("=NAME", "=N").replace("=TEXT", "=N") for o, listed in options_of_table(source).items() if not listed and o != "remount"]
    wrong += try_out(kevfs, [*options_of_help(help_text), *silent])
    check_help = subprocess.run([kevfs, "check", "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    wrong += compare_check(check_help, (root / "man/kevfs-check.8").read_text())
    for line in wrong:
        print(line)
    print(f"{len(options_of_help(help_text))} options, {len(silent)} more taken silently, {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
