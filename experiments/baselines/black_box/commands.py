"""SPEC 2: what a client may say, and what it gets, byte for byte."""

import time
from collections.abc import Sequence

from .check import Failed, Group, equal, fail
from .client import NOTHING, PLACE, Connection, check_at, check_receipt, exchange
from .herd import Herd

WHITE_SPACE = (b" ", b"\t", b"\r", b"\x0b", b"\x0c", b" \t\r\x0b\x0c ")
MANY_ZEROS = b"0" * 5000

LOCATIONS = (b"+0+0", b"-90-180", b"+90.000+180.000", PLACE, b"+1.5-001", b"-00.0+000.0", b"+1.%s-1" % MANY_ZEROS)
NO_LOCATIONS = (
    *(
        b"+",
        b"+1",
        b"1+1",
        b"34.0-118.0",
        b"+34.-118.0",
        b"+.5-118.0",
        b"+1+.5",
        b"+1+1.",
        b"+1-1/",
        b"+1e1-1",
        b"+1-1e1",
    ),
    *(b"+90.0000000001+0", b"+91+0", b"+0+180.0000000001", b"+0-181", b"+100+0", b"+001+0", b"+0+0001", b"+1+1+1"),
    *(b"++1+1", b"+1,5+1", b"+nan+1", b"+1--1", b"+\xb2+1", b"+90.%s1+0" % MANY_ZEROS),
)
STAMPS = (
    *(b"0", b"1", b"1621464827", b"1621464827.959498503", b"0001.5", b"999999999999", b"999999999999.999999999"),
    *(b"1.0000000019999", b"1621464827.9594985030000000000", b"1.%s" % MANY_ZEROS),
)
NO_STAMPS = (b"-1", b"+1", b"1e9", b"nan", b"inf", b"1.", b".5", b"1234567890123", b"1_000", b"0x1", b"1,5", b"\xb9")
RADII = (b"0", b"0.0", b"50", b"50.000", b"0050", b"49.999999999999999999999", b"50.%s" % MANY_ZEROS, MANY_ZEROS + b"7")
NO_RADII = (b"50.000000000000000000001", b"51", b"-1", b"+1", b"1.", b".5", b"1e1", b"nan", b"", b"9" * 5000, b"5_0")
BOUNDS = (b"0", b"00", b"20", b"00020", MANY_ZEROS)
NO_BOUNDS = (b"21", b"-1", b"+1", b"1.5", b"1.0", b"", b"1e1", b"0x1", b"9" * 5000, MANY_ZEROS + b"21", b"1_0")


class Commands(Group):
    """One server, asked one thing after the other."""

    def __init__(self, herd: Herd) -> None:
        self._at = herd.clients["Clark"]

    def copies(self) -> None:
        """IAMAT is answered with a copy of its operands"""
        self._check_iamats([(PLACE, b"1621464827.959498503"), (b"-00.10+001.000", b"0001.5000000000000")])

    def locations(self) -> None:
        """locations that are valid, by table"""
        self._check_iamats([(location, b"1") for location in LOCATIONS])

    def no_locations(self) -> None:
        """locations that are not, by table"""
        self._check_invalid([b"IAMAT a %s 1" % location for location in NO_LOCATIONS])

    def stamps(self) -> None:
        """stamps that are valid, by table, and their differences"""
        self._check_iamats([(PLACE, stamp) for stamp in STAMPS])

    def no_stamps(self) -> None:
        """stamps that are not, by table"""
        self._check_invalid([b"IAMAT a +1-1 " + stamp for stamp in NO_STAMPS])

    def exact(self) -> None:
        """differences are exact, also where floating point is not"""
        with Connection.to(self._at) as client:
            for number in range(200):
                stamp = b"99999999%04d.%09d" % (number, number * 4_999_999)
                before = time.time_ns()
                line = client.ask(b"IAMAT exact %s %s\n" % (PLACE, stamp))
                check_receipt(check_at(line, b"Clark", b"exact", PLACE, stamp), before)

    def nanoseconds(self) -> None:
        """the clock has nanosecond resolution"""
        with Connection.to(self._at) as client:
            receipts = [
                check_at(client.ask(b"IAMAT fine %s 1\n" % PLACE), b"Clark", b"fine", PLACE, b"1") for _ in range(50)
            ]
        if all(receipt % 1000 == 0 for receipt in receipts):
            raise Failed(f"all receipts are whole microseconds, such as {receipts[0]}")

    def negative(self) -> None:
        """a clock that is ahead makes the difference negative"""
        stamp = b"%d.5" % (time.time() + 1000)
        line = exchange(self._at, b"IAMAT ahead %s %s\n" % (PLACE, stamp))
        check_at(line, b"Clark", b"ahead", PLACE, stamp)
        if not line.startswith(b"AT Clark -"):
            fail("the difference", "a minus", line)

    def white_space(self) -> None:
        """six bytes are white space, and do not count at both ends"""
        for space in WHITE_SPACE:
            line = space.join([b"", b"IAMAT", b"white", PLACE, b"1", b""])
            check_at(exchange(self._at, line + b"\n"), b"Clark", b"white", PLACE, b"1")
        equal("LF ends a line", exchange(self._at, b"IAMAT\nx +1-1 1\n"), b"? IAMAT\n? x +1-1 1\n")

    def other_bytes(self) -> None:
        """every other byte may stand in an ID"""
        id = bytes(byte for byte in range(256) if byte not in b" \t\n\r\x0b\x0c")
        line = exchange(self._at, b"IAMAT %s +1-1 1\n" % id)
        check_at(line, b"Clark", id, b"+1-1", b"1")
        equal("WHATSAT", exchange(self._at, b"WHATSAT %s 1 0\n" % id), line + NOTHING)

    def ids_apart(self) -> None:
        """IDs that differ in a byte that is no text are different clients"""
        first, second = (exchange(self._at, b"IAMAT apart%s +1-1 1\n" % id) for id in (b"\xe9", b"\xc3\xa9"))
        equal(
            "WHATSAT",
            exchange(self._at, b"WHATSAT apart\xe9 1 0\nWHATSAT apart\xc3\xa9 1 0\n"),
            first + NOTHING + second + NOTHING,
        )

    def newest(self) -> None:
        """an IAMAT is answered with its own data, and kept only if newer"""
        with Connection.to(self._at) as client:
            newest = b""
            for stamp, wins in (
                (b"5", True),
                (b"4", False),
                (b"5.000000001", True),
                (b"5.0000000009", False),
                (b"40", True),
                (b"6", False),
            ):
                line = client.ask(b"IAMAT newest %s %s\n" % (PLACE, stamp))
                check_at(line, b"Clark", b"newest", PLACE, stamp)
                newest = line if wins else newest
                client.send(b"WHATSAT newest 1 0\n")
                equal(f"WHATSAT after {stamp!r}", client.reply(), (newest, NOTHING))

    def later_receipt(self) -> None:
        """of equal stamps the one received later wins, and digits past the ninth do not count"""
        with Connection.to(self._at) as client:
            for stamp in b"7.1234567899", b"7.1234567891", b"7.123456789":
                line = client.ask(b"IAMAT equal %s %s\n" % (PLACE, stamp))
                client.send(b"WHATSAT equal 1 0\n")
                equal(f"WHATSAT after {stamp!r}", client.reply(), (line, NOTHING))

    def radii_and_bounds(self) -> None:
        """radii and bounds that are valid, by table"""
        line = exchange(self._at, b"IAMAT radius +1-1 1\n")
        for radius, bound in [(radius, b"0") for radius in RADII] + [
            (b"1", bound) for bound in BOUNDS if not bound.strip(b"0")
        ]:
            equal(
                f"{radius[:99]!r} {bound[:99]!r}",
                exchange(self._at, b"WHATSAT radius %s %s\n" % (radius, bound)),
                line + NOTHING,
            )

    def no_radii_nor_bounds(self) -> None:
        """radii and bounds that are not, by table"""
        exchange(self._at, b"IAMAT radius +1-1 1\n")
        self._check_invalid([b"WHATSAT radius %s 1" % radius for radius in NO_RADII])
        self._check_invalid([b"WHATSAT radius 1 " + bound for bound in NO_BOUNDS])

    def unknown(self) -> None:
        """a WHATSAT about an unknown client is invalid"""
        self._check_invalid([b"WHATSAT nobody 1 1", b"WHATSAT nobody 1 0"])

    def anything_else(self) -> None:
        """anything else comes back behind `? `, without LF or CR LF"""
        exchange(self._at, b"IAMAT known +1-1 1\n")
        self._check_invalid(
            [
                *(
                    b"",
                    b" ",
                    b"\t \x0b\x0c",
                    b"IAMAT",
                    b"iamat a +1-1 1",
                    b"Iamat a +1-1 1",
                    b"IAMATa +1-1 1",
                    b"IAMAT a +1-1",
                ),
                *(
                    b"IAMAT a +1-1 1 1",
                    b"WHATSAT known 1",
                    b"WHATSAT known",
                    b"WHATSAT known 1 1 1",
                    b"whatsat known 1 0",
                ),
                *(
                    b"  two  spaces  ",
                    b"a\rb",
                    b"\xff\xfe",
                    b"\xef\xbf\xbd \xc3\xa9\x00",
                    b"\xc2\xa0IAMAT a +1-1 1",
                    b"? x",
                ),
                *(b"IAMAT a\xa0+1-1 1", b"IAMAT\x1ca\x1d+1-1\x1e1", b"IAMAT\x85a +1-1 1"),
            ]
        )
        equal("two CRs", exchange(self._at, b"x\r\r\n"), b"? x\r\n")

    def no_at(self) -> None:
        """an AT or a peer's line from a client is invalid and changes nothing"""
        line = exchange(self._at, b"IAMAT kept +1-1 1\n")
        self._check_invalid([b"AT Clark +0.000000000 kept +2-2 2", b"HELLO herd/1 Bona", b"DONE", b"PING"])
        equal("WHATSAT", exchange(self._at, b"WHATSAT kept 1 0\n"), line + NOTHING)

    def _check_iamats(self, operands: Sequence[tuple[bytes, bytes]]) -> None:
        for location, stamp in operands:
            before = time.time_ns()
            line = exchange(self._at, b"IAMAT kiwi.cs.ucla.edu %s %s\n" % (location, stamp))
            check_receipt(check_at(line, b"Clark", b"kiwi.cs.ucla.edu", location, stamp), before)

    def _check_invalid(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            for end in b"\n", b"\r\n":
                equal(f"the reply to {line[:99]!r}", exchange(self._at, line + end), b"? " + line + b"\n")
