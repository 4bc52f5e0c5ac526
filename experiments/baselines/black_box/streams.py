"""SPEC 2: lines, ends and orders of streams, and many of them."""

import random
import socket
import struct
import threading
import time

from .check import Failed, Group, equal, eventually
from .client import NOTHING, PLACE, Connection, check_at, exchange
from .herd import Herd
from .stub import Stub, answer, answer_when

LIMIT = 64 << 10
HEAD = bytes(range(ord("a"), ord("a") + 16)) * 4
MANY = 500


class Streams(Group):
    """One server, and what clients do to a connection."""

    def __init__(self, herd: Herd, stub: Stub) -> None:
        self._at, self._stub = herd.clients["Clark"], stub

    def nothing(self) -> None:
        """at a half-close with nothing read the server just closes"""
        equal("what comes", exchange(self._at, b""), b"")

    def unended(self) -> None:
        """a last line without LF is a line, and its CR is part of it"""
        lines = exchange(self._at, b"IAMAT a %s 1\nIAMAT b %s 1" % (PLACE, PLACE)).splitlines(keepends=True)
        for line, id in zip(lines, (b"a", b"b"), strict=True):
            check_at(line, b"Clark", id, PLACE, b"1")
        equal("with CR", exchange(self._at, b"hello\r"), b"? hello\r\n")

    def one_byte_at_a_time(self) -> None:
        """a line may arrive a byte at a time"""
        with Connection.to(self._at) as client:
            for byte in b"\tIAMAT  slow\x0b%s 1.0 \r\nWHATSAT slow 5 0" % PLACE:
                client.send(bytes([byte]))
                time.sleep(0.0005)
            line = client.line()
            check_at(line, b"Clark", b"slow", PLACE, b"1.0")
            client.half_close()
            equal("the rest", client.rest(), line + NOTHING)

    def split_anywhere(self) -> None:
        """lines may be split and joined in any way"""
        commands = b"".join(b"line %d%s\r\n" % (number, b"." * (number % 300)) for number in range(2000))
        expected = b"".join(b"? %s\n" % line for line in commands.split(b"\r\n")[:-1])
        choose = random.Random(1)
        with Connection.to(self._at) as client:
            while commands:
                count = choose.choice((1, 2, 100, 5000, 30000))
                client.send(commands[:count])
                commands = commands[count:]
            client.half_close()
            equal("the replies", client.rest(), expected)

    def at_the_limit(self) -> None:
        """a line of 64 KiB is repeated whole, a longer one by its first 64 bytes"""
        longest = HEAD + b"x" * (LIMIT - len(HEAD))
        with Connection.to(self._at) as client:
            equal("64 KiB", client.ask(longest + b"\n"), b"? " + longest + b"\n")
            equal("one byte more", client.ask(longest + b"x\n"), b"? " + HEAD + b"\n")
            equal("a CR behind its head", client.ask(HEAD + b"\r" + longest + b"\n"), b"? " + HEAD + b"\n")
            client.send(b"before\n" + longest + longest + b"\nafter\n")
            equal("among others", client.line() + client.line() + client.line(), b"? before\n? %s\n? after\n" % HEAD)

    def too_long_to_end(self) -> None:
        """a line that is too long is told of before it ends, and the rest of it is thrown away"""
        with Connection.to(self._at) as client:
            client.send(b"x" * (LIMIT + 1))
            equal("the reply", client.line(), b"? " + b"x" * 64 + b"\n")
            for _ in range(10):
                client.send(b"x" * (1 << 20))
            client.send(b"y\nz\n")
            equal("what follows", client.line(), b"? z\n")
        equal("at an end", exchange(self._at, b"x" * (LIMIT + 1)), b"? " + b"x" * 64 + b"\n")

    def stays_open(self) -> None:
        """a connection stays open for as many commands as come"""
        with Connection.to(self._at) as client:
            for number in range(1000):
                line = client.ask(b"IAMAT open%d %s 1\n" % (number, PLACE))
                check_at(line, b"Clark", b"open%d" % number, PLACE, b"1")
            if not client.is_quiet(0.3):
                raise Failed("something came that was not asked for")

    def pipelined(self) -> None:
        """5000 pipelined commands are answered in order"""
        commands = [
            (b"IAMAT p%d %s 1\n" % (n, PLACE), b"WHATSAT p%d 1 0\n" % (n - 1), b"nonsense %d\n" % n)[n % 3]
            for n in range(5000)
        ]
        with Connection.to(self._at) as client:
            sender = threading.Thread(target=client.send, args=(b"".join(commands),))
            sender.start()
            line = b""
            for number, command in enumerate(commands):
                match number % 3:
                    case 0:
                        line = client.line()
                        check_at(line, b"Clark", b"p%d" % number, PLACE, b"1")
                    case 1:
                        equal(f"reply {number}", client.reply(), (line, NOTHING))
                    case _:
                        equal(f"reply {number}", client.line(), b"? " + command)
            sender.join()

    def in_turn(self) -> None:
        """a WHATSAT sees the IAMATs before it, and none behind it"""
        with Connection.to(self._at) as client:
            client.send(b"".join(b"IAMAT turn %s %d\nWHATSAT turn 1 0\n" % (PLACE, n) for n in range(1, 201)))
            for number in range(1, 201):
                line = client.line()
                check_at(line, b"Clark", b"turn", PLACE, b"%d" % number)
                equal(f"WHATSAT {number}", client.reply(), (line, NOTHING))

    def around_a_slow_one(self) -> None:
        """replies keep their order around a slow WHATSAT, and what is behind it is not held up"""
        let_go = threading.Event()
        self._stub.by_radius |= {"1001": answer_when(let_go, b'{"slow":1}'), "1002": answer(b'{"fast":1}')}
        line = exchange(self._at, b"IAMAT slow %s 1000\n" % PLACE)
        with Connection.to(self._at) as client:
            client.send(
                b"before\nWHATSAT slow 1.001 5\nIAMAT behind +1-1 1\nWHATSAT slow 1.002 5\nWHATSAT behind 1 0\nafter\n"
            )
            equal("before it", client.line(), b"? before\n")
            eventually("the fast question is asked", lambda: bool(self._stub.asked("1002")))
            eventually("what is behind is known", lambda: exchange(self._at, b"WHATSAT behind 1 0\n").endswith(NOTHING))
            if not client.is_quiet(0.1):
                raise Failed(f"a reply came out of turn: {client.unread!r}")
            let_go.set()
            equal("the slow one", client.reply(), (line, b'{"slow":1}\n\n'))
            behind = client.line()
            check_at(behind, b"Clark", b"behind", b"+1-1", b"1")
            equal("the fast one", client.reply(), (line, b'{"fast":1}\n\n'))
            equal("bound 0", client.reply(), (behind, NOTHING))
            equal("after it", client.line(), b"? after\n")

    def half_closed_while_slow(self) -> None:
        """after a half-close a slow WHATSAT is still answered"""
        let_go = threading.Event()
        self._stub.by_radius["1003"] = answer_when(let_go, b'{"late":1}')
        line = exchange(self._at, b"IAMAT late %s 1\n" % PLACE)
        with Connection.to(self._at) as client:
            client.send(b"WHATSAT late 1.003 5\nlast")
            client.half_close()
            eventually("Places is asked", lambda: bool(self._stub.asked("1003")))
            let_go.set()
            equal("what comes", client.rest(), line + b'{"late":1}\n\n? last\n')

    def single_read(self) -> None:
        """each reply can be read with a single read"""
        body = b'{ "results" : [ "%s" ] }' % (b"x" * 20_000)
        self._stub.by_radius["1004"] = answer(body)
        line = exchange(self._at, b"IAMAT single %s 1\n" % PLACE)
        for _ in range(50):
            with Connection.to(self._at) as client:
                client.send(b"WHATSAT single 1.004 5\n")
                equal("the read", client.stream.recv(1 << 20), line + body + b"\n\n")

    def many(self) -> None:
        """500 connections at a time are served"""
        clients = [Connection.to(self._at) for _ in range(MANY)]
        for round in range(3):
            for number, client in enumerate(clients):
                client.send(b"IAMAT many%d %s %d\n" % (number, PLACE, round))
            for number, client in enumerate(clients):
                check_at(client.line(), b"Clark", b"many%d" % number, PLACE, b"%d" % round)
        for client in clients:
            client.stream.close()

    def reset(self) -> None:
        """connections that are reset before their replies are written disturb nobody"""
        with Connection.to(self._at) as other:
            for number in range(50):
                client = Connection.to(self._at)
                client.ask(b"hello\n")
                client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.send(b"IAMAT reset %s 1\nWHATSAT reset 1.004 5\nnot for others\nunfinished" % PLACE)
                client.stream.close()
                equal("another client's reply", other.ask(b"mine %d\n" % number), b"? mine %d\n" % number)

    def does_not_read(self) -> None:
        """a client that does not read its replies is not read from without end"""
        most, sent = 100 << 20, 0
        commands = (b"x" * 1023 + b"\n") * 1024
        with Connection.to(self._at) as client, Connection.to(self._at) as other:
            client.stream.settimeout(1)
            try:
                while sent < most:
                    sent += client.stream.send(commands)
            except TimeoutError:
                pass
            equal("another client's reply", other.ask(b"still there\n"), b"? still there\n")
        if sent >= most:
            raise Failed(f"{sent} bytes of commands were taken while no reply was read")
