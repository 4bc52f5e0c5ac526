#!/usr/bin/env python3
"""One server of the herd on Python's asyncio.

    python3 server.py Clark

Needs Python 3.11 and aiohttp. The key to Places is taken from GOOGLE_PLACES_API_KEY.
"""

import argparse
import asyncio
import os
import resource
import signal
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections import deque
from pathlib import Path

import herd
from io_log import IoLog
from lines import Line, Lines
from links import Links
from places import NO_RESULTS, Places
from protocol import iamat, metres, results_bound

MAX_LINE = 64 << 10
# Commands of one connection whose replies wait, at most.
PIPELINED = 64

Reply = bytes | asyncio.Task[bytes]


class Server:
    """Answers clients from what the links know."""

    def __init__(self, name: str, links: Links, places: Places, log: IoLog) -> None:
        self.name, self.links, self.places, self.log = name.encode(), links, places, log
        self.accepted = 0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Runs a client connection from its first byte to its last."""
        self.accepted += 1
        who = b"c%d" % self.accepted
        self.log.notice(who, "connected from {}:{}".format(*writer.get_extra_info("peername")[:2]))
        session = Session(self, who, reader, writer)
        reason = "client"
        try:
            await session.run()
        except OSError:
            reason = "error"
        finally:
            session.abandon()
            writer.close()
            self.log.notice(who, f"closed: {reason}")

    def answer(self, line: Line) -> Reply:
        """The reply to a line, or the task that finds it: Places is asked for it."""
        if not line.too_long:
            match line.text.split():
                case [b"IAMAT", id, location, stamp]:
                    if update := iamat(self.name, time.time_ns(), id, location, stamp):
                        self.links.learn(update)
                        return update.line + b"\n"
                case [b"WHATSAT", id, radius, bound]:
                    if reply := self._look_around(id, radius, bound):
                        return reply
        # CR LF ends a line, CR alone does not.
        return b"? " + (line.text.removesuffix(b"\r") if line.ended else line.text) + b"\n"

    def _look_around(self, id: bytes, radius: bytes, bound: bytes) -> Reply | None:
        distance, results = metres(radius), results_bound(bound)
        update = self.links.known.get(id)
        if distance is None or results is None or update is None:
            return None
        if results == 0:
            return b"%s\n%s\n\n" % (update.line, NO_RESULTS)

        async def ask() -> bytes:
            body = await self.places.search(update, distance)
            return b"%s\n%s\n\n" % (update.line, body.cut(results))

        return asyncio.create_task(ask())


class Session:
    """The commands of one client, and the replies to them in their order."""

    def __init__(self, server: Server, who: bytes, reader: StreamReader, writer: StreamWriter) -> None:
        self.server, self.who, self.lines, self.writer = server, who, Lines(reader), writer
        self.replies: deque[Reply] = deque()
        self.loop = asyncio.get_running_loop()

    async def run(self) -> None:
        while line := await self.lines.next():
            self.server.log.read(self.who, line.text)
            reply = self.server.answer(line)
            self.replies.append(reply)
            if not isinstance(reply, bytes):
                reply.add_done_callback(lambda _: self.flush())
            elif len(self.replies) == 1:
                # Whatever else has been read by then shares its write.
                self.loop.call_soon(self.flush)
            if len(self.replies) >= PIPELINED:
                await self.wait_for_replies(PIPELINED)
            await self.writer.drain()
        await self.wait_for_replies(1)
        await self.writer.drain()

    async def wait_for_replies(self, room: int) -> None:
        """Waits until there are fewer replies than that to be sent."""
        self.flush()
        while len(self.replies) >= room:
            # Others have been flushed, so the first one is a task.
            await asyncio.wait([task for task in self.replies if not isinstance(task, bytes)][:1])
            self.flush()

    def flush(self) -> None:
        """Writes the replies that are ready and whose turn has come, at once."""
        ready = []
        while self.replies and (isinstance(self.replies[0], bytes) or self.replies[0].done()):
            reply = self.replies.popleft()
            text = reply if isinstance(reply, bytes) else reply.result()
            self.server.log.reply(self.who, text)
            ready.append(text)
        if ready:
            self.writer.write(b"".join(ready))

    def abandon(self) -> None:
        """Stops asking Places for a client that is gone."""
        for reply in self.replies:
            if not isinstance(reply, bytes):
                reply.cancel()
        self.replies.clear()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the server of the herd file that this is")
    parser.add_argument("--herd", type=Path, metavar="FILE", help="the herd file [default: the assignment's five]")
    parser.add_argument("--places-url", default="https://maps.googleapis.com", metavar="URL", help="[%(default)s]")
    parser.add_argument("--log-dir", type=Path, default=Path("logs"), metavar="DIR", help="[%(default)s]")
    parser.add_argument("--uvloop", action="store_true", help="run on uvloop's event loop")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    described = herd.read(options.herd) if options.herd else herd.ASSIGNMENT
    if options.name not in described.servers:
        sys.exit(f"{options.name} is not in the herd: {', '.join(described.servers)} are")
    # asyncio accepts as many connections as there are descriptors, which is few by default.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = IoLog(options.log_dir, options.name)
    links = Links(described, options.name, log)
    places = Places(options.places_url, os.environ.get("GOOGLE_PLACES_API_KEY", ""))

    async def serve() -> None:
        await links.catch_up()
        server = Server(options.name, links, places, log)
        host, port = described.servers[options.name].clients
        async with await asyncio.start_server(server.serve, host, port, limit=MAX_LINE, backlog=1024):
            print(f"ready {options.name} clients={host}:{port}", flush=True)
            await stop.wait()

    tasks = [asyncio.create_task(task) for task in (log.run(), links.run(), serve())]
    try:
        done, _ = await asyncio.wait([*tasks, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        log.flush()
        await places.close()


def event_loop(options: argparse.Namespace) -> asyncio.AbstractEventLoop:
    if options.uvloop:
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


if __name__ == "__main__":
    options = parse_arguments()
    try:
        with asyncio.Runner(loop_factory=lambda: event_loop(options)) as runner:
            runner.run(main(options))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"{options.name} cannot run: {error}")
