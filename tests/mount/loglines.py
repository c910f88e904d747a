"""What stands in the logs, written down a second time, from the man page."""
import datetime
import json
import re

from names import well_formed
from test_attributes import nanoseconds, true_mtime

FIELD_MAX, MESSAGE_MAX = 1024, 16384
NAMED = {b"\n": b"\\n", b"\t": b"\\t", b"\r": b"\\r", b"\\": b"\\\\"}
BIDIRECTIONAL = {0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+', re.DOTALL)


def is_control(character):
    c = ord(character)
    return c < 0x20 or 0x7F <= c <= 0x9F or c in BIDIRECTIONAL


def escape(text, limit, spaces):
    """text as it stands in a line; spaces says whether they stay."""
    out, taken = b"", 0
    for piece, good in well_formed(text.encode("utf-8", "surrogatepass")):
        if taken + len(piece) > limit:
            return out + b"..."
        taken += len(piece)
        if piece in NAMED:
            out += NAMED[piece]
        elif not good or is_control(piece.decode()) or piece == b" " and not spaces:
            out += b"".join(b"\\x%02x" % c for c in piece)
        else:
            out += piece
    return out


def word(value):
    """One of the first six fields, or a part of one."""
    text = value if isinstance(value, str) else ""
    return b"-" if not text else b"\\x2d" if text == "-" else escape(text, FIELD_MAX, False)


def member(value, *names):
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def last_seen(event):
    """Nanoseconds; where that is a whole second which the event's own time lies in, that time. 0: none."""
    times = [member(event, *path) for path in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("firstTimestamp",), ("metadata", "creationTimestamp"))]
    seen = next((n for n in (nanoseconds(t) if isinstance(t, str) else None for t in times) if n is not None), 0)
    mtime = true_mtime(event)
    return mtime if seen % 10**9 == 0 and mtime // 10**9 == seen // 10**9 else seen


def count(event):
    series = member(event, "series", "count")
    n = series if isinstance(series, (int, float)) and not isinstance(series, bool) else event.get("count")
    if isinstance(n, bool) or not isinstance(n, (int, float)) or n != int(n) or not 0 < n < 1 << 64:
        return 1
    return int(n)


def line(event):
    """The event's line in events.log, with its newline."""
    seen = last_seen(event)
    time = (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=seen // 10**6)).isoformat("T", "milliseconds").encode() + b"Z" if seen > 0 else b"-"
    kind = re.sub(rb"[A-Z]", lambda m: m[0].lower(), word(member(event, "involvedObject", "kind")))
    source = member(event, "source", "component") or event.get("reportingComponent")
    host = member(event, "source", "host")
    where = b"/".join([word(member(event, "metadata", "namespace")), kind, word(member(event, "involvedObject", "name"))])
    by = word(source) + (b"/" + word(host) if host else b"")
    message = event.get("message")
    fields = [time, where, word(event.get("type")), word(event.get("reason")), b"x%d" % count(event), by, escape(message if isinstance(message, str) else "", MESSAGE_MAX, True)]
    return b" ".join(fields) + b"\n"


def compact(text):
    """What kubectl prints, without the white space between its tokens, and a newline."""
    return SPACE.sub(lambda m: m[1] or b"", text) + b"\n"


def lines(content):
    """[line with its newline] of a log, which must end in one."""
    assert content == b"" or content.endswith(b"\n"), content[-200:]
    return content.splitlines(keepends=True) if b"\r" not in content else [x + b"\n" for x in content.split(b"\n")[:-1]]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def check(directory):
    """Read both logs of a directory, as they were at one time: every line of events.log is what the same line of events.jsonl says, and
    harmless. Returns the events."""
    before = read(f"{directory}/events.log")
    events = [json.loads(text) for text in lines(read(f"{directory}/events.jsonl"))]
    found = lines(before)
    assert len(found) <= len(events)
    for n, (got, event) in enumerate(zip(found, events)):
        want = line(event)
        assert got == want, f"line {n + 1}:\n{got[:3000]!r}\n{want[:3000]!r}\n{json.dumps(event)[:3000]}"
        assert not any(is_control(c) for c in got[:-1].decode("utf-8"))
    return events[:len(found)]
