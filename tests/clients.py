#!/usr/bin/env python3
"""Drives a server as courses do: with clients written for Python's asyncio streams.

    python3 tests/clients.py target/release/server

Starts `server Clark --places-url mock` at free ports and stops it at the end.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
import unittest
from decimal import Decimal

SERVER = "target/release/server"
PLACE = "+34.068930-118.445127"


class Clark:
    """A server process."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        anywhere = "127.0.0.1:0"
        command = [SERVER, "Clark", "--places-url", "mock", "--log-dir", self.folder.name]
        command += ["--clients", anywhere, "--peers", anywhere, "--metrics", anywhere]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()
        host, port = re.fullmatch(r"ready Clark clients=(\S+):(\d+) peers=\S+ metrics=\S+\n", ready).groups()
        self.address = host, int(port)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=10)
        self.process.stdout.close()
        self.folder.cleanup()
        return code


class Clients(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.clark = Clark()

    @classmethod
    def tearDownClass(cls):
        assert cls.clark.stop() == 0, "the server ends with 0 on SIGTERM"

    async def once(self, command):
        """One command on a connection of its own, and a single read."""
        reader, writer = await asyncio.open_connection(*self.clark.address)
        writer.write(command)
        writer.write_eof()
        reply = await reader.read(1_000_000)
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        self.assertEqual(rest, b"", "the single read got it all")
        return reply

    def check_at(self, line, name, stamp, before, after):
        """The AT line repeats what was told, and its difference is exact."""
        fields = line.decode().split(" ")
        self.assertEqual(fields[:2] + fields[3:], ["AT", "Clark", name, PLACE, stamp])
        self.assertRegex(fields[2], r"^[+-]\d+\.\d{9}$")
        receipt = Decimal(stamp) + Decimal(fields[2])
        self.assertLessEqual(before, receipt)
        self.assertLessEqual(receipt, after)

    async def test_one_command_per_connection_and_a_single_read(self):
        for number in range(200):
            before = Decimal(time.time_ns()) / 10**9
            stamp = f"{before:.9f}"
            line = await self.once(f"IAMAT c{number} {PLACE} {stamp}\n".encode())
            after = Decimal(time.time_ns()) / 10**9
            self.assertTrue(line.endswith(b"\n"))
            self.check_at(line[:-1], f"c{number}", stamp, before, after)
            bound = number % 20 + 1
            reply = await self.once(f"WHATSAT c{number} 10 {bound}\n".encode())
            at, body = reply.split(b"\n", 1)
            self.assertEqual(at + b"\n", line)
            self.assertTrue(body.endswith(b"}\n\n"), "the whole reply, in one read")
            self.assertNotIn(b"\n\n", body[:-2])
            places = json.loads(body)
            self.assertEqual((places["status"], len(places["results"])), ("OK", bound))

    async def test_a_connection_that_stays_open(self):
        reader, writer = await asyncio.open_connection(*self.clark.address)
        for number in range(500):
            writer.write(f"IAMAT kept {PLACE} {number}.5\n".encode())
            line = await reader.readline()
            self.assertTrue(line.endswith(f" kept {PLACE} {number}.5\n".encode()), line)
            writer.write(b"WHATSAT kept 5 1\n")
            self.assertEqual(await reader.readline(), line)
            body = await reader.readuntil(b"\n\n")
            self.assertLessEqual(len(json.loads(body)["results"]), 1)
            writer.write(b"WHAT SAT kept 5 1\n")
            self.assertEqual(await reader.readline(), b"? WHAT SAT kept 5 1\n")
        writer.close()
        await writer.wait_closed()

    async def test_a_byte_at_a_time(self):
        reader, writer = await asyncio.open_connection(*self.clark.address)
        for byte in f"\tIAMAT  slow\x0b{PLACE} 1.0 \r\nWHATSAT slow 5 0".encode():
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        line = await reader.readline()
        self.assertTrue(line.endswith(f" slow {PLACE} 1.0\n".encode()), line)
        writer.write_eof()
        rest = await reader.read()
        self.assertEqual(rest, line + b'{\n   "html_attributions" : [],\n   "results" : [],\n   "status" : "OK"\n}\n\n')
        writer.close()

    async def test_many_clients_at_once(self):
        async def client(number):
            line = await self.once(f"IAMAT many{number} {PLACE} 1\n".encode())
            reply = await self.once(f"WHATSAT many{number} 1 3\n".encode())
            self.assertTrue(reply.startswith(line) and reply.endswith(b"\n\n"))

        await asyncio.gather(*(client(number) for number in range(200)))

    async def test_bytes_that_are_not_text(self):
        name = bytes(byte for byte in range(256) if byte not in b" \t\n\r\x0b\x0c")
        line = await self.once(b"IAMAT " + name + b" +1-1 1\n")
        self.assertIn(b" " + name + b" +1-1 1\n", line)
        self.assertEqual(await self.once(b"\xff\xfe\n"), b"? \xff\xfe\n")

    async def test_a_client_that_only_half_closes_gets_nothing(self):
        self.assertEqual(await self.once(b""), b"")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        SERVER = sys.argv.pop(1)
    unittest.main(verbosity=2)
