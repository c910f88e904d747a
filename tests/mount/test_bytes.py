"""The content of every file, byte for byte as kubectl prints it."""
import concurrent.futures
import itertools
import json
import os
import random

import pytest

import names
from events import event, new_name
from servers import wait_for

# What a typed server would not keep or refuse, so that only the fake one has it. Values of a member "v".
NUMBERS = [
    "0", "-0", "0.0", "1", "-1", "1.0", "1.50", "1e2", "1E2", "1e+2", "1e20", "1e21", "123e18", "1.23e21", "1e-6", "1e-7", "0.000001", "0.0000001", "0.1", "0.30000000000000004", "1e22", "1e23",
    "9007199254740991", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "123456789012345678901234567890",
    "1.7976931348623157e308", "4.9e-324", "5e-324", "2.2250738585072014e-308", "3.141592653589793238462643", "100000000000000000000", "1000000000000000000000", "0e400", "1.0000000000000000000001",
]
STRINGS = [
    b'"\\u0000\\u0001\\u001f\\u007f"', b'"\\b\\f\\n\\r\\t\\"\\\\\\/"', b'"\\u003c\\u003e\\u0026<>&"', b'"\\u2028\\u2029\xe2\x80\xa8\xe2\x80\xa9"', b'"\\ud83d\\ude00\xf0\x9f\x98\x80"', b'"\\ud800"', b'"\\udc00x"', b'"\\ud800\\ud800\\udc00"',
    b'"\\ud83dx"', b'"\\ud83d\\n"', b'"\xff"', b'"a\xc3(b"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\xf0\x9f\x98"', b'"\x80\xbf\xfe\xff"', b'"\\uFFFD\\ufffe\\uFFFF"', b'"\xef\xbb\xbf"', b'"\\u00e9\xc3\xa9"', b'""',
    b'"\x7f"', b'"' + b"x" * 70000 + b'"', b'"' + b"\\u003c" * 2000 + b'"',
]
VALUES = [
    b"{}", b"[]", b"[[]]", b"[{}]", b"{ }", b"[ ]", b'{"a":{}}', b"null", b"true", b"false", b"[null,true,false,1,\"\"]", b'{"b":1,"a":2,"":3,"B":4,"\xc3\xa9":5,"aa":6,"a\\u0000":7,"\\u0061b":8}', b'{"x":1,"x":{"y":2}}',
    b'{"x":{"a":1},"x":{"b":2}}', b'{"\\u003c":"\\u003e"}', b'{"\xff":1,"\xfe":2}', b'{"managedFields":[1]}', b'  {  "a" :\t[ 1 , 2 ]  }  ', b"[" * 60 + b"]" * 60, b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"\xf0\x90\x80\x80":1,"\xef\xbf\xbf":2}',
]


def raw_events():
    """Events with members that only the fake server keeps."""
    values = [n.encode() for n in NUMBERS] + STRINGS + VALUES
    for i, value in enumerate(values):
        yield b'{"metadata":{"name":"raw-%d"},"involvedObject":{"kind":"Pod","namespace":"default","name":"raw"},"v":%s}' % (i, value)
    top = [
        b'"message":"first","message":"last"', b'"unknown":{"deep":[1.5]}', b'"message":12', b'"count":1.0', b'"count":"7"', b'"firstTimestamp":7', b'"source":null', b'"involvedObject":null', b'"involvedObject":{}', b'"series":[]',
        b'"kind":"Event","apiVersion":"v1"', b'"apiVersion":"v1","kind":"Event","status":{}', b'"type":{"a":1}', b'"reason":null', b'"metadata2":{}',
    ]
    for i, members in enumerate(top):
        yield b'{"metadata":{"name":"top-%d"},%s}' % (i, members)
    metas = [
        b'"labels":{"b":"1","a":"<>"},"annotations":{"x":"\\n"}', b'"managedFields":[{"manager":"m","time":"2026-01-01T00:00:00Z"}]', b'"managedFields":null', b'"generateName":"raw-"', b'"finalizers":[]', b'"name":"meta-last"',
        b'"ownerReferences":[{"uid":"u","name":"n"}]', b'"deletionTimestamp":"2026-01-01T00:00:00Z"', b'"unknown":0.10', b'"creationTimestamp":"2026-01-01T00:00:00+02:00"', b'"selfLink":""',
    ]
    for i, members in enumerate(metas):
        yield b'{"metadata":{"name":"meta-%d",%s},"involvedObject":{"kind":"Pod","name":"raw"}}' % (i, members)


def test_every_file_is_what_kubectl_prints(server, mount):
    """The bar of the main job: no difference over at least 2,000 events, of which at least 60 are hostile."""
    assert len(server.hostile) >= 60
    m = mount(server)
    assert m.settle(server) >= 2000 + len(server.hostile)
    found = m.events()
    assert [k for k in server.hostile if k not in found] == []


def test_the_list_trick_is_what_single_gets_print(server):
    """The oracle itself: items of the list, moved left, against `kubectl get event NAME`."""
    oracle = server.oracle()
    chosen = random.Random(7).sample(sorted(server.hostile), 14) + random.Random(8).sample(sorted(oracle), 6)
    for namespace, name in chosen:
        r = server.kubectl("get", "event", "-n", namespace, "-o", "json", "--", name, check=False)
        if r.returncode and "NotFound" in r.stderr.decode():  # expired or deleted by a controller meanwhile
            continue
        single = r.stdout
        if single != oracle[namespace, name]:
            assert json.loads(single)["metadata"]["resourceVersion"] != json.loads(oracle[namespace, name])["metadata"]["resourceVersion"], (namespace, name)


def test_what_a_typed_server_drops(fake, mount):
    """Floats, huge integers, unknown fields, bad UTF-8, duplicate keys: real kubectl reads the same from the fake server."""
    raws = list(raw_events())
    fake.bulk([("create", "events", "default", raw) for raw in raws])
    m = mount(fake)
    assert m.settle(fake, 3) == len(raws) > 100
    oracle = fake.oracle()
    chosen = ["raw-%d" % i for i in range(0, len(NUMBERS) + len(STRINGS) + len(VALUES), 6)]  # here, too, the trick is held against single gets
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, single in zip(chosen, pool.map(lambda n: fake.kubectl("get", "event", n, "-o", "json").stdout, chosen)):
            assert oracle["default", name] == single


def test_negative_zero(fake, mount):
    """The one thing that kubectl prints otherwise in a list: there it is 0."""
    fake.bulk([("create", "events", "default", b'{"metadata":{"name":"zeros"},"v":[-0.0,-0,-0e0,-0.00,0.0,-0.0e5,-1e-400]}')])
    m = mount(fake)
    [(path, content)] = m.events().values()
    assert content == fake.kubectl("get", "event", "zeros", "-o", "json").stdout and b" -0,\n" in content


def test_the_same_through_the_watch(fake, mount):
    """Lines of a watch are read by other code than pages of a list."""
    m = mount(fake)
    raws = list(raw_events())
    fake.bulk([("create", "events", "default", raw) for raw in raws])
    assert m.settle(fake) == len(raws)
    changed = [raw.replace(b'"name":"raw"', b'"name":"raw","fieldPath":"changed"') for raw in raws if b'"name":"raw"' in raw]
    fake.bulk([("update", "events", "default", raw) for raw in changed])
    assert m.settle(fake) == len(raws)


UNREADABLE = [b"1e400", b"[" * 20000 + b"]" * 20000]
BROKEN = [b"01", b'"\x01"', b'"\\x"', b"nul", b"-", b"1.", b"[1,]", b'{"a"}', b'"\\u12"', b"'a'"]


def harms_no_other(fake, mount, value, watched):
    """An event between others, whose member has that value, then is gone again."""
    m = mount(fake) if watched else None
    fake.bulk([("create", "events", "default", event(f"good-{i}")) for i in range(10)])
    fake.create_raw("default", b'{"metadata":{"name":"bad"},"v":' + value + b"}")
    fake.bulk([("create", "events", "default", event(f"more-{i}")) for i in range(10)])
    m = m or mount(fake)
    assert wait_for(lambda: len(set(os.listdir(m.path("default/events"))) - {"bad"}) == 20)
    fake.delete("default", "bad")
    fake.create("default", event("after"))
    assert m.settle(fake) == 21


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda v: v[:8].decode())
def test_an_event_that_kubectl_cannot_read_harms_no_other_of_a_list(fake, mount, value):
    harms_no_other(fake, mount, value, False)


@pytest.mark.parametrize("value", UNREADABLE + BROKEN, ids=lambda v: v[:8].decode())
def test_a_line_that_is_no_json_harms_no_other(fake, mount, value):
    harms_no_other(fake, mount, value, True)


def test_file_names(server, mount):
    """Every hostile name stands as the man page says, and no path has a control character."""
    m = mount(server)
    found = m.events()
    root = os.fsencode(m.dir) + b"/"
    for (namespace, name), (path, _) in found.items():
        parts = path[len(root):].split(b"/")
        assert len(parts) == 5 and parts[3] == b"events" and parts[0] == namespace.encode(), path
        assert names.fits(parts[4], names.escape(name)), (name, path)
        assert all(0 < len(p) <= 255 and not any(c < 32 or c == 127 for c in p) and p not in (b".", b"..") for p in parts), path
        path[len(root):].decode("utf-8")
    assert len(found) >= 2000


def test_object_directories(server, mount):
    """The object's name likewise; a ':' that stands as itself ends a namespace, so a name's own are escaped."""
    m = mount(server)
    found = m.events()
    for key, sent in server.hostile.items():
        about = sent["involvedObject"]["name"]
        place = found[key][0][len(m.dir) + 1:].split(b"/")[2]
        assert names.fits(place, names.escape(about, b":")), (about, place)


def test_reading_in_pieces(fake, mount):
    """pread at every offset and size of a file, and beyond its end."""
    fake.create("default", event("pieces", message="0123456789" * 1000))
    m = mount(fake)
    [(path, whole)] = m.events().values()
    fd = os.open(path, os.O_RDONLY)
    try:
        for offset, size in itertools.product((0, 1, 511, 4095, 4096, 4097, len(whole) - 1, len(whole), len(whole) + 5000), (1, 100, 4096, 1 << 20)):
            assert os.pread(fd, size, offset) == whole[offset:offset + size]
        assert os.lseek(fd, 0, os.SEEK_END) == len(whole)
    finally:
        os.close(fd)


def test_large_events(fake, mount):
    """Also over what one FUSE request or one receive buffer holds."""
    sizes = [0, 1, 4096, 65536, 131072, 1 << 20, 3 << 20]
    for size in sizes:
        fake.create("default", event(f"size-{size}", message="<\n" * (size // 2)))
    m = mount(fake)
    assert m.settle(fake) == len(sizes)
    fake.create("default", event(new_name("late"), message="\u2028" * (1 << 20)))
    assert m.settle(fake) == len(sizes) + 1
