"""PROTOCOL.md, between servers: one real server, and its two neighbours played by hand.

The server is Mid. Ann sorts before it and so dials it; Zoe sorts behind it and is dialled.
"""

import re
import socket
import threading
import time

from .check import Failed, Group, equal, eventually
from .client import PLACE, Connection, check_at, exchange
from .herd import Herd
from .neighbour import Link, accept, dial, expect_lines

NAMES = ("Ann", "Mid", "Zoe")
LINKS = (("Ann", "Mid"), ("Mid", "Zoe"))
# A redial comes within 300 ms; the rest is for a busy machine.
REDIAL_SECONDS = 0.6
# Less than this and more than that of silence ends a link.
SILENCE_SECONDS = (4.0, 8.0)
STUCK_ID_BYTES = 8000


class Links(Group):
    """Mid runs; each check makes the links that it needs."""

    def __init__(self, herd: Herd) -> None:
        self._herd = herd
        self._clients, self._peers = herd.clients["Mid"], herd.peers["Mid"]
        self._markers = 0

    def dials(self) -> None:
        """the server whose name sorts first dials, and speaks first"""
        with self._from_zoe():
            pass

    def done(self) -> None:
        """without `sync` a new neighbour is told all that is known, each client once, and DONE"""
        lines = {id: self._tell(id, b"2") for id in (b"known1", b"known2", b"known1")}
        for link in self._from_ann(), self._from_zoe():
            with link:
                known = link.all_known()
                equal(
                    "lines of these clients",
                    sorted(line for line in known if b" known" in line),
                    sorted(lines.values()),
                )

    def passes_on(self) -> None:
        """an AT line goes on byte for byte, and not back to where it came from"""
        with self._both() as (ann, zoe):
            for number, (sender, other) in enumerate([(ann, zoe), (zoe, ann)] * 3):
                line = b"AT Far +1.000000000 pass%d\xff\x00 +1.0-001 %d.50000000009\n" % (number, number + 1)
                sender.send(line)
                expect_lines(other, line)
            told = self._tell(b"pass", b"1")
            expect_lines(ann, told)
            expect_lines(zoe, told)

    def to_clients(self) -> None:
        """a neighbour's update is what clients are told, and a client's goes to the neighbours at once"""
        with self._both() as (ann, zoe):
            line = b"AT Far -2.000000001 client +1.0-001 5\n"
            ann.send(line)
            expect_lines(zoe, line)
            equal("WHATSAT", self._herd.known_at("Mid", b"client"), line)

    def duplicates_stop(self) -> None:
        """duplicates and older updates go nowhere"""
        with self._both() as (ann, zoe):
            line = b"AT Far +1.000000000 twice +1-1 10\n"
            ann.send(line * 3)
            expect_lines(zoe, line)
            zoe.send(line * 2)
            ann.send(b"AT Far +9.000000000 twice +2-2 9.999999999\n")
            # A line that comes next shows that nothing else did.
            self._check_nothing_between(ann, zoe)
            equal("WHATSAT", self._herd.known_at("Mid", b"twice"), line)

    def total_order(self) -> None:
        """which update wins: stamp, time of receipt, origin, bytes"""
        ascending = [
            b"AT Zed +9.000000000 order +9-9 1\n",
            b"AT Bea +1.000000000 order +1-1 2\n",
            b"AT Bea +1.000000001 order +1-1 2\n",
            b"AT Bea +1.000000001 order +1-1 2.0\n",
            b"AT Bea +1.000000001 order +2-1 2.0\n",
            b"AT Cat +1.000000001 order +1-1 2\n",
            b"AT Cat-2 +1.000000001 order +1-1 2\n",
            b"AT Bea -5.000000000 order +1-1 10\n",
            b"AT Bea +0.000000000 order +1-1 9999999999\n",
        ]
        with self._both() as (ann, zoe):
            for line in ascending:
                ann.send(line)
                expect_lines(zoe, line)
                for smaller in ascending[: ascending.index(line) + 1]:
                    ann.send(smaller)
                self._check_nothing_between(ann, zoe)

    def malformed(self) -> None:
        """AT lines that no origin writes are ignored, by table, and so are other kinds of line"""
        good = b"AT Far +1.000000000 bad +1-1 1"
        bad = [
            *(
                b"",
                b"AT",
                b"HELLO herd/1 Ann",
                b"FOO bar",
                b"SYNC STEP 1",
                b"SYNC GROUPS",
                b"iamat",
                b"IAMAT bad +1-1 1",
                b"\xff\x00",
            ),
            *(good.replace(b" bad", b"  bad"), b" " + good, good + b" ", good + b"\r", good + b" 1", good[:-2]),
            *(
                good.replace(b"+1.0", b"1.0"),
                good.replace(b"+1.000000000", b"+1.00000000"),
                good.replace(b"+1.0", b"+1e0.0"),
            ),
            *(
                good.replace(b"+1.000000000", b"+1"),
                good.replace(b"+1.000000000", b"-1.000000001"),
                good.replace(b"+1-1", b"+91-1"),
            ),
            *(
                good.replace(b"+1-1", b"+1"),
                good.replace(b"-1 1", b"-1 1e9"),
                good.replace(b"Far", b"F/r"),
                good.replace(b"bad", b"b\x0bd"),
            ),
            *(good.replace(b"Far", b"F" * 64), good.lower(), good.replace(b" ", b"\t"), b"AT Far +1.000000000  +1-1 1"),
        ]
        with self._both() as (ann, zoe):
            for line in bad:
                ann.send(line + b"\n")
            self._check_nothing_between(ann, zoe)
            equal("WHATSAT", self._herd.known_at("Mid", b"bad"), None)
            ann.send(b"PING\nDONE\n" + good + b"\n")
            expect_lines(zoe, good + b"\n")

    def together(self) -> None:
        """HELLO and lines in one piece, and lines in many pieces, are read alike"""
        with self._from_zoe() as zoe:
            zoe.all_known()
            line = b"AT Far +1.000000000 pieces +1-1 1\n"
            with Link.to(self._peers) as ann:
                ann.send(b"HELLO herd/1 Ann some=thing else\n" + line)
                expect_lines(zoe, line)
                newer = line.replace(b" 1\n", b" 2\n")
                for byte in newer:
                    ann.send(bytes([byte]))
                    time.sleep(0.0005)
                expect_lines(zoe, newer)

    def long_lines(self) -> None:
        """a neighbour's line may be 256 bytes longer than a client's; longer ones are thrown away"""
        with self._both() as (ann, zoe):
            line = b"AT Far +1.000000000 %s +1-1 1\n" % (b"i" * ((64 << 10) + 200))
            ann.send(line)
            expect_lines(zoe, line)
            for length in 257, 1 << 20:
                ann.send(line[:-6].ljust((64 << 10) + length, b"i") + b" +1-1 2\n")
            self._check_nothing_between(ann, zoe)

    def unfinished(self) -> None:
        """a line that is unfinished when the connection ends is discarded"""
        with self._from_ann() as ann:
            ann.all_known()
            ann.send(b"AT Far +1.000000000 unfinished +1-1 1")
            ann.half_close()
            equal("closed", ann.is_closed_within(2), True)
        equal("WHATSAT", self._herd.known_at("Mid", b"unfinished"), None)

    def keep_alives(self) -> None:
        """PING comes about once a second on a link that is idle"""
        with self._from_ann() as ann:
            ann.all_known()
            started, pings = time.monotonic(), 0
            while time.monotonic() - started < 3:
                ann.until(b"PING\n")
                pings += 1
            if not 2 <= pings <= 5:
                raise Failed(f"{pings} came in 3 s")

    def silence(self) -> None:
        """a silent link is dead after 5 s"""
        with Link.to(self._peers) as ann:
            started = time.monotonic()
            ann.hello(b"Ann")
            equal("closed", ann.is_closed_within(SILENCE_SECONDS[1]), True)
            if time.monotonic() - started < SILENCE_SECONDS[0]:
                raise Failed(f"it was closed after {time.monotonic() - started:.1f} s already")

    def redials(self) -> None:
        """a neighbour that went away, or refuses connections, is dialled again within 300 ms"""
        for _ in range(3):
            self._from_zoe().stream.close()
            started = time.monotonic()
            with self._from_zoe():
                if time.monotonic() - started > REDIAL_SECONDS:
                    raise Failed(f"it took {time.monotonic() - started:.2f} s")

    def replaces(self) -> None:
        """a neighbour that connects anew replaces its older connection"""
        with self._from_zoe() as zoe, self._from_ann() as older:
            older.all_known()
            with self._from_ann() as newer:
                equal("the older one is closed", older.is_closed_within(2), True)
                newer.all_known()
                zoe.all_known()
                line = self._tell(b"replaced", b"1")
                expect_lines(newer, line)
                expect_lines(zoe, line)

    def refuses(self) -> None:
        """strangers, other versions, wrong directions and other first lines are refused, by table"""
        for first in (
            b"HELLO herd/1 Mallory",
            b"HELLO herd/2 Ann",
            b"HELLO herd/1",
            b"HELLO herd/1 Zoe",
            b"HELLO herd/1 Mid",
            b"IAMAT a +1-1 1",
            b"",
        ):
            with Link.to(self._peers) as stranger:
                stranger.send(first + b"\n")
                said = stranger.rest()
                if not re.fullmatch(rb"REFUSED [^\n]+\n", said):
                    raise Failed(f"{first!r} was answered {said!r}")

    def slow_hello(self) -> None:
        """a first line has to come within 1 s, in at most 1024 bytes"""
        with Link.to(self._peers) as stranger, Link.to(self._peers) as talker:
            talker.send(b"HELLO herd/1 Ann " + b"x" * 2000 + b"\n")
            if talker.is_closed_within(2) is False:
                raise Failed("a first line of 2000 bytes was taken")
            equal("closed", stranger.is_closed_within(2.5), True)

    def stuck(self) -> None:
        """a neighbour that does not read costs one line per client, and holds up nobody"""
        ids = [b"stuck%02d" % number + b"-" * STUCK_ID_BYTES for number in range(20)]
        rounds = 100
        with self._both(ann_buffer=4096) as (ann, zoe):
            arrived = {id: 0 for id in ids}
            reading = threading.Thread(target=self._read_stamps, args=(zoe, arrived, rounds))
            reading.start()
            with Connection.to(self._clients) as client:
                for stamp in range(1, rounds + 1):
                    client.send(b"".join(b"IAMAT %s +1-1 %d\n" % (id, stamp) for id in ids))
                    for id in ids:
                        check_at(client.line(), b"Mid", id, b"+1-1", b"%d" % stamp)
            reading.join()
            equal("what Zoe heard last of each", set(arrived.values()), {rounds})
            heard = self._read_stamps(ann, {id: 0 for id in ids}, rounds)
            if heard >= rounds * len(ids):
                raise Failed(f"all {heard} lines were kept for Ann")

    def log(self) -> None:
        """links and what goes over them are in the log, by name"""
        with self._both() as (ann, zoe):
            line = b"AT Far +1.000000000 log\x01 +1-1 1\n"
            ann.send(line)
            expect_lines(zoe, line)
        text = r"AT Far +1.000000000 log\x01 +1-1 1"
        for expected in f" Ann < {text}\n", f" Zoe > {text}\n", " Ann * link up\n", " Zoe * link up\n":
            eventually(f"{expected!r} is in the log", lambda expected=expected: expected in self._herd.log("Mid"))  # type: ignore[misc]
        down = re.compile(
            r" Ann \* link down: .+\n(.*\n)*.* Zoe \* link down|Zoe \* link down: .+\n(.*\n)*.* Ann \* link down"
        )
        eventually("both ends are in the log", lambda: bool(down.search(self._herd.log("Mid")[-5000:])))

    def _from_ann(self) -> Link:
        return dial(self._peers, b"Ann", b"Mid")

    def _from_zoe(self) -> Link:
        return accept(self._herd.peers["Zoe"], b"Mid", b"Zoe")

    def _both(self, ann_buffer: int | None = None) -> "Both":
        if ann_buffer is None:
            ann = self._from_ann()
        else:
            stream = socket.socket()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ann_buffer)
            stream.connect(self._peers)
            ann = Link(stream)
            ann.hello(b"Ann")
            ann.keep_alive()
        zoe = self._from_zoe()
        for link in ann, zoe:
            link.all_known()
        return Both(ann, zoe)

    def _tell(self, id: bytes, stamp: bytes) -> bytes:
        line = exchange(self._clients, b"IAMAT %s %s %s\n" % (id, PLACE, stamp))
        check_at(line, b"Mid", id, PLACE, stamp)
        return line

    def _check_nothing_between(self, sender: Link, other: Link) -> None:
        """Checks that the next line that each gets is one that is told now."""
        self._markers += 1
        marker = b"AT Far +1.000000000 marker +1-1 %d\n" % self._markers
        sender.send(marker)
        expect_lines(other, marker)
        told = self._tell(b"marker-%d" % self._markers, b"1")
        expect_lines(sender, told)
        expect_lines(other, told)

    def _read_stamps(self, link: Link, newest: dict[bytes, int], until: int) -> int:
        """Reads updates until all of these clients have reached a stamp; returns how many came."""
        heard = 0
        while set(newest.values()) != {until}:
            fields = link.next().split()
            if len(fields) == 6 and fields[3] in newest:
                newest[fields[3]] = int(fields[5])
                heard += 1
        return heard


class Both:
    """Two links that end together."""

    def __init__(self, ann: Link, zoe: Link) -> None:
        self._links = ann, zoe

    def __enter__(self) -> tuple[Link, Link]:
        return self._links

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            link.stream.close()
