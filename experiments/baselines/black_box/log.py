"""SPEC 6: the log of what clients said and were told."""

import re

from .check import Failed, Group, equal, eventually, fail
from .client import Connection, exchange
from .herd import KEY, Herd
from .stub import Stub, answer

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) ([<>*]) (.*)\n")
# Lines are in the file within 200 ms; the rest is for a busy machine.
SOON_SECONDS = 1.0


class Log(Group):
    """One server's log while it runs."""

    def __init__(self, herd: Herd, stub: Stub) -> None:
        self._herd, self._at, self._stub = herd, herd.clients["Clark"], stub

    def conversation(self) -> None:
        """all that a connection read and wrote is in the log, with escapes, and bodies by their size"""
        self._stub.by_radius["1501"] = answer(b'{\n"secret" : 1 }')
        reply = exchange(
            self._at, b"IAMAT log\\\x01\xff\xc3\xa9 +1-1 1\r\nWHATSAT log\\\x01\xff\xc3\xa9 1.501 5\n\nover"
        )
        id = r"log\\\x01\xff\xc3\xa9"
        line = reply.split(b"\n")[0].decode("latin-1").replace("log\\\x01\xff\xc3\xa9", id)
        expected = [
            *(f"< IAMAT {id} +1-1 1\\x0d", f"< WHATSAT {id} 1.501 5", "< ", "< over", f"> {line}", f"> {line}"),
            *("> [16 bytes from Places]", "> ? ", "> ? over", "* closed: client"),
        ]

        def is_there() -> bool:
            entries = self._entries()
            who = next((who for _, who, _, text in entries if text.startswith(f"IAMAT {id}")), None)
            own = [f"{sign} {text}" for _, other, sign, text in entries if other == who]
            return (
                len(own) == 11
                and own[0].startswith("* connected from 127.0.0.1:")
                and sorted(own[1:]) == sorted(expected)
            )

        eventually("the conversation is in the log", is_there, SOON_SECONDS)
        if "secret" in self._herd.log("Clark"):
            raise Failed("a body from Places is in the log")

    def prompt(self) -> None:
        """a line is in the file while its connection is open"""
        with Connection.to(self._at) as client:
            client.ask(b"prompt\n")
            eventually("it is", lambda: " < prompt\n" in self._herd.log("Clark"), SOON_SECONDS)

    def form(self) -> None:
        """every line of the log has a time, who, a sign and printable text, and times do not go back"""
        times = [moment for moment, *_ in self._entries()]
        equal("times in order", times, sorted(times))

    def no_key(self) -> None:
        """the key to Places is not in the log"""
        if KEY in self._herd.log("Clark"):
            raise Failed("it is")

    def at_the_end(self) -> None:
        """what was said last is in the log when the server was ended"""
        exchange(self._at, b"the last words\n")
        equal("the exit code", self._herd.terminate("Clark"), 0)
        if " > ? the last words\n" not in self._herd.log("Clark"):
            fail("the log", "the last words", self._herd.log("Clark")[-200:])
        self._herd.start("Clark")

    def _entries(self) -> list[tuple[str, ...]]:
        entries = []
        for line in self._herd.log("Clark").splitlines(keepends=True):
            match = LINE.fullmatch(line)
            if match and re.fullmatch(r"[ -~]*", match[4]):
                entries.append(match.groups())
            elif line.endswith("\n"):
                fail("a line of the log", "TIME WHO SIGN TEXT", line)
        return entries
