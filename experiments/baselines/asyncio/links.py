"""Links to neighbours, and the flood over them (PROTOCOL.md, Between servers)."""

import asyncio
import contextlib
import random
import time
from asyncio import StreamReader, StreamWriter
from itertools import islice

from herd import Address, Herd
from io_log import IoLog
from lines import Lines
from protocol import IS_HELLO, Update, at

MAX_LINE = (64 << 10) + 256
MAX_HELLO = 1024
HANDSHAKE_SECONDS = 1.0
REDIAL_SECONDS = 0.2
LONGEST_BACK_OFF_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 1.0
SILENCE_SECONDS = 5.0
FIRST_LINK_SECONDS = 3.0
CATCH_UP_SECONDS = 10.0
# Lines that are put into one write, of what is live and of what brings a neighbour up to date.
LIVE_BATCH = 256
CATCH_UP_BATCH = 64


class Refused(Exception):
    """Somebody is there who does not want this link, or is not who was expected."""


class Ended(Exception):
    """A link is over."""


class Neighbour:
    """Another server. Its link is up while `waiting` is a dictionary; nothing is kept otherwise."""

    def __init__(self, name: str, address: Address) -> None:
        self.name, self.address = name, address
        self.who = name.encode()
        self.waiting: dict[bytes, Update] | None = None
        self.rest: list[bytes] = []
        self.work = asyncio.Event()
        self.linked = asyncio.Event()
        self.caught_up = asyncio.Event()
        self.heard_at = 0.0
        # Held by the connection that runs the link; the newest that wants to is `connection`.
        self.turn = asyncio.Lock()
        self.connection: asyncio.Task[None] | None = None


class Links:
    """All that this server knows of clients, and the neighbours that are told of it."""

    def __init__(self, herd: Herd, name: str, log: IoLog) -> None:
        self.name, self.log = name, log
        self.known: dict[bytes, Update] = {}
        self.neighbours = {other: Neighbour(other, herd.servers[other].peers) for other in herd.neighbours(name)}
        self._peers = herd.servers[name].peers

    def learn(self, update: Update, sender: Neighbour | None = None) -> None:
        """Takes in an update. One that does not win goes nowhere: that stops the flood."""
        if sender and sender.waiting is not None:
            waiting = sender.waiting.get(update.id)
            if waiting is not None and waiting <= update:
                del sender.waiting[update.id]
        known = self.known.get(update.id)
        if known is not None and known >= update:
            return
        self.known[update.id] = update
        for neighbour in self.neighbours.values():
            if neighbour.waiting is not None and neighbour is not sender:
                neighbour.waiting[update.id] = update
                neighbour.work.set()

    async def run(self) -> None:
        """Listens and dials until it is cancelled."""
        async with await asyncio.start_server(self._accept, *self._peers, limit=MAX_LINE), asyncio.TaskGroup() as dials:
            for neighbour in self.neighbours.values():
                if self.name < neighbour.name:
                    dials.create_task(self._keep_dialling(neighbour))
            await asyncio.Event().wait()

    async def catch_up(self) -> None:
        """Waits until the neighbours that are there have said all that they know.

        A server that has just started has forgotten everything, and would answer from that.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS), asyncio.TaskGroup() as waits:
                for neighbour in self.neighbours.values():
                    waits.create_task(self._catch_up_with(neighbour))

    async def _catch_up_with(self, neighbour: Neighbour) -> None:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(*neighbour.address), HANDSHAKE_SECONDS)
            writer.close()
            await asyncio.wait_for(neighbour.linked.wait(), FIRST_LINK_SECONDS)
        except (OSError, TimeoutError):
            return
        await neighbour.caught_up.wait()

    async def _keep_dialling(self, neighbour: Neighbour) -> None:
        refusals, said = 0, ""
        while True:
            try:
                await self._dial(neighbour)
                refusals, said = 0, ""
            except (OSError, TimeoutError, Refused) as error:
                refusals = refusals + 1 if isinstance(error, Refused) else 0
                reason = str(error) or type(error).__name__
                if reason != said:
                    self.log.notice(neighbour.who, f"cannot link: {reason}; trying again")
                    said = reason
            pause = min(REDIAL_SECONDS * 2**refusals, LONGEST_BACK_OFF_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.75, 1.0))

    async def _dial(self, neighbour: Neighbour) -> None:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            reader, writer = await asyncio.open_connection(*neighbour.address, limit=MAX_LINE)
        try:
            self._say_hello(neighbour.who, writer)
            lines = Lines(reader)
            name = await self._hear_hello(neighbour.who, lines)
            if name != neighbour.name:
                raise Refused(f"{neighbour.name} was expected there, but {name} answered")
            await self._run_link(neighbour, lines, writer)
        finally:
            writer.close()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        who = "{}:{}".format(*writer.get_extra_info("peername")[:2]).encode()
        lines = Lines(reader)
        try:
            neighbour = self._admit(await self._hear_hello(who, lines))
            self._say_hello(who, writer)
            # A newer connection of the same neighbour ends the older one.
            if neighbour.connection:
                neighbour.connection.cancel()
            neighbour.connection = asyncio.current_task()
            await self._run_link(neighbour, lines, writer)
        except Refused as reason:
            self._say(who, writer, f"REFUSED {reason}".encode())
        except (OSError, TimeoutError):
            pass  # A stranger who went away.
        finally:
            writer.close()

    def _admit(self, name: str) -> Neighbour:
        neighbour = self.neighbours.get(name)
        if neighbour is None:
            raise Refused(f"{name} is no neighbour of {self.name} by its herd file")
        if self.name < name:
            raise Refused(f"{self.name} dials {name}, not the other way round: the name that sorts first dials")
        return neighbour

    def _say_hello(self, who: bytes, writer: StreamWriter) -> None:
        self._say(who, writer, f"HELLO herd/1 {self.name}".encode())

    async def _hear_hello(self, who: bytes, lines: Lines) -> str:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            line = await lines.next()
        if not line:
            raise ConnectionError("closed by the other side")
        self.log.read(who, line.text)
        match = IS_HELLO.fullmatch(line.text)
        if len(line.text) > MAX_HELLO or line.too_long or not match:
            raise Refused(f"HELLO herd/1 NAME was expected, not {line.text[:MAX_HELLO]!r}")
        return match[1].decode()

    def _say(self, who: bytes, writer: StreamWriter, line: bytes) -> None:
        self.log.written(who, line)
        writer.write(line + b"\n")

    async def _run_link(self, neighbour: Neighbour, lines: Lines, writer: StreamWriter) -> None:
        """Runs a link from its first update to its end."""
        async with neighbour.turn:
            neighbour.waiting, neighbour.rest = {}, list(self.known)
            neighbour.work.set()
            neighbour.linked.set()
            neighbour.heard_at = time.monotonic()
            self.log.notice(neighbour.who, "link up")
            reason = "replaced by a newer connection"
            try:
                async with asyncio.TaskGroup() as sides:
                    sides.create_task(self._listen(neighbour, lines))
                    sides.create_task(self._send(neighbour, writer))
                    sides.create_task(self._say_that_we_live(neighbour, writer))
            except* (Ended, OSError) as group:
                reason = str(group.exceptions[0])
            finally:
                neighbour.waiting = None
                neighbour.linked.clear()
                neighbour.caught_up.clear()
                self.log.notice(neighbour.who, f"link down: {reason}")

    async def _listen(self, neighbour: Neighbour, lines: Lines) -> None:
        while line := await lines.next():
            neighbour.heard_at = time.monotonic()
            self.log.read(neighbour.who, line.text)
            # What has not ended may be mutilated.
            if line.ended and line.text.startswith(b"AT "):
                if update := at(line.text):
                    self.learn(update, neighbour)
            elif line.text == b"DONE":
                neighbour.caught_up.set()
        raise Ended("closed by the other side")

    async def _send(self, neighbour: Neighbour, writer: StreamWriter) -> None:
        """Sends what waits, what is live before the rest; nothing piles up while the other side is slow."""
        done = False
        while True:
            await neighbour.work.wait()
            lines = self._next_lines(neighbour)
            if not neighbour.rest and not done:
                done = True
                lines.append(b"DONE")
            if not neighbour.waiting and not neighbour.rest:
                neighbour.work.clear()
            for line in lines:
                self.log.written(neighbour.who, line)
            writer.write(b"".join(line + b"\n" for line in lines))
            await writer.drain()

    def _next_lines(self, neighbour: Neighbour) -> list[bytes]:
        waiting, rest = neighbour.waiting, neighbour.rest
        assert waiting is not None, "the link is up"
        live = [waiting.pop(id).line for id in list(islice(waiting, LIVE_BATCH))]
        ids = rest[-CATCH_UP_BATCH:]
        del rest[-CATCH_UP_BATCH:]
        return live + [self.known[id].line for id in ids]

    async def _say_that_we_live(self, neighbour: Neighbour, writer: StreamWriter) -> None:
        while True:
            if time.monotonic() - neighbour.heard_at >= SILENCE_SECONDS:
                raise Ended(f"nothing heard for {SILENCE_SECONDS:.0f} s")
            if writer.transport.get_write_buffer_size() == 0:
                self._say(neighbour.who, writer, b"PING")
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
