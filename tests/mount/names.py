"""How kevfs names things, written down a second time, from the man page."""
import re

HASHED = re.compile(rb"%~[0-9a-f]{32}\Z")


def well_formed(text):
    """text (bytes) in pieces: (bytes, True where they are one UTF-8 character)."""
    i = 0
    while i < len(text):
        for length in (1, 2, 3, 4):
            piece = text[i:i + length]
            try:
                piece.decode("utf-8")
            except UnicodeDecodeError:
                continue
            if len(piece) == length:
                yield piece, True
                break
        else:
            piece = text[i:i + 1]
            yield piece, False
        i += len(piece)


def escape(name, more=b""):
    """A name as it stands in a path, before it is cut; more are bytes that are escaped besides."""
    raw = name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name
    if raw in (b".", b".."):
        return b"%2E" * len(raw)
    if not raw:
        return b"%"
    out = b""
    for piece, good in well_formed(raw):
        control = len(piece) == 1 and (piece[0] < 32 or piece[0] == 127) or good and 0x80 <= ord(piece.decode()) < 0xA0
        if not good or control or piece in (b"/", b"%") or piece in [bytes([c]) for c in more]:
            out += b"".join(b"%%%02X" % c for c in piece)
        else:
            out += piece
    return out


def fits(found, escaped):
    """Is found the file name of an event whose escaped name this is? One of over 255 bytes is cut, and ends in a hash."""
    if len(escaped) <= 255:
        return found == escaped
    return len(found) <= 255 and HASHED.search(found) is not None and escaped.startswith(found[:-34]) and len(found) > 255 - 34 - 12
