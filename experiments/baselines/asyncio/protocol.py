"""What clients and servers say to each other, pure: bytes in, values out (PROTOCOL.md)."""

import re
from typing import NamedTuple

NANOS = 10**9
# \s, \S and \d of a bytes pattern are ASCII: white space is exactly the protocol's six bytes.
COORDINATE = rb"[+-]\d{1,%d}(?:\.\d+)?"
LOCATION = rb"(%s)(%s)" % (COORDINATE % 2, COORDINATE % 3)
STAMP = rb"(\d{1,12})(?:\.(\d+))?"
NAME = rb"[A-Za-z0-9._-]{1,63}"

IS_LOCATION = re.compile(LOCATION)
IS_STAMP = re.compile(STAMP)
IS_RADIUS = re.compile(rb"(\d+)(?:\.(\d+))?")
IS_BOUND = re.compile(rb"\d+")
IS_AT = re.compile(rb"AT (%s) ([+-]\d{1,12}\.\d{9}) (\S+) (%s) (%s)" % (NAME, LOCATION, STAMP))
IS_HELLO = re.compile(rb"\s*HELLO\s+herd/1\s+(%s)(?:\s.*)?" % NAME, re.DOTALL)


class Update(NamedTuple):
    """An AT line. Tuples compare field by field, which here is the order of which update wins."""

    stamp: int
    receipt: int
    origin: bytes
    line: bytes
    id: bytes
    latitude: bytes
    longitude: bytes


def iamat(origin: bytes, receipt: int, id: bytes, location: bytes, stamp: bytes) -> Update | None:
    """The update that an IAMAT makes whose operands are valid. Times are nanoseconds since 1970."""
    place, time = IS_LOCATION.fullmatch(location), IS_STAMP.fullmatch(stamp)
    if not place or not time or not within(place[1], place[2]):
        return None
    sent = nanoseconds(time[1], time[2])
    line = b"AT %s %s %s %s %s" % (origin, difference(receipt - sent), id, location, stamp)
    return Update(sent, receipt, origin, line, id, place[1], place[2])


def at(line: bytes) -> Update | None:
    """The update that a neighbour's line is, if it is as its origin must have written it."""
    match = IS_AT.fullmatch(line)
    if not match:
        return None
    origin, ahead, id, _, latitude, longitude, _, seconds, fraction = match.groups()
    sent = nanoseconds(seconds, fraction)
    receipt = sent + int(ahead.replace(b".", b""))
    if receipt < 0 or not within(latitude, longitude):
        return None
    return Update(sent, receipt, origin, line, id, latitude, longitude)


def metres(radius: bytes) -> bytes | None:
    """A valid radius, in kilometres, as metres: the same digits with the point three places on."""
    match = IS_RADIUS.fullmatch(radius)
    if not match or not at_most(radius, 50):
        return None
    fraction = (match[2] or b"").rstrip(b"0")
    whole, rest = match[1] + fraction[:3].ljust(3, b"0"), fraction[3:]
    return (whole.lstrip(b"0") or b"0") + (b"." + rest if rest else b"")


def results_bound(bound: bytes) -> int | None:
    """A valid bound on the number of results."""
    return int(bound.lstrip(b"0") or b"0") if IS_BOUND.fullmatch(bound) and at_most(bound, 20) else None


def within(latitude: bytes, longitude: bytes) -> bool:
    return at_most(latitude[1:], 90) and at_most(longitude[1:], 180)


def at_most(decimal: bytes, limit: int) -> bool:
    """Compares every digit. int() refuses more than 4,300 of them, so it is given few."""
    whole, _, fraction = decimal.partition(b".")
    whole = whole.lstrip(b"0")
    if len(whole) > 3:
        return False
    value = int(whole or b"0")
    return value < limit or (value == limit and not fraction.strip(b"0"))


def nanoseconds(seconds: bytes, fraction: bytes | None) -> int:
    return int(seconds) * NANOS + int((fraction or b"")[:9].ljust(9, b"0"))


def difference(nanos: int) -> bytes:
    whole, part = divmod(abs(nanos), NANOS)
    return b"%s%d.%09d" % (b"-" if nanos < 0 else b"+", whole, part)
