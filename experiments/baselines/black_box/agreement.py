"""SPEC 1, 4 and 5: what one server is told all know, and all agree, whoever dies meanwhile."""

import threading

from .check import Group, equal
from .client import PLACE, check_at, exchange
from .herd import FIVE, Herd

# Propagation takes milliseconds; the rest is for a busy machine.
SOON_SECONDS = 3.0


class Agreement(Group):
    """The five servers of the assignment, all of which run before and after each check."""

    def __init__(self, herd: Herd) -> None:
        self._herd = herd

    def prepare(self) -> None:
        self._herd.start(*(name for name in FIVE if name not in self._herd.running))

    def from_all_to_all(self) -> None:
        """what any server is told all servers know, by the same bytes"""
        for name in FIVE:
            id = b"from-" + name.encode()
            self._herd.wait_until_known(id, self._tell(name, id, b"1"), SOON_SECONDS)

    def any_bytes(self) -> None:
        """IDs of any bytes, and lines of almost 64 KiB, get to all"""
        odd = bytes(byte for byte in range(256) if byte not in b" \t\n\r\x0b\x0c")
        for id in odd, b"i" * 65_400:
            self._herd.wait_until_known(id, self._tell("Clark", id, b"1"), SOON_SECONDS)

    def newest_wins(self) -> None:
        """the newest stamp wins at all servers, whoever is told it and when"""
        lines = [self._tell(FIVE[stamp % 5], b"newest", b"%d" % stamp) for stamp in (7, 3, 9, 2, 14, 1, 6, 13)]
        self._herd.wait_until_known(b"newest", lines[4], SOON_SECONDS)

    def told_at_once(self) -> None:
        """servers that are told different things at once agree"""
        lines: dict[int, bytes] = {}

        def tell(start: int) -> None:
            for stamp in range(start, 500, 5):
                lines[stamp] = self._tell(FIVE[start], b"at-once", b"%d" % stamp)

        threads = [threading.Thread(target=tell, args=(start,)) for start in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._herd.wait_until_known(b"at-once", lines[499], SOON_SECONDS)

    def equal_stamps(self) -> None:
        """of equal stamps the one received last wins everywhere"""
        lines = [self._tell(name, b"equal", b"5") for name in FIVE + FIVE[::-1]]
        self._herd.wait_until_known(b"equal", lines[-1], SOON_SECONDS)

    def around_a_dead_server(self) -> None:
        """updates get around a server that was killed"""
        for name in FIVE:
            self._herd.kill(name)
            for teller in self._herd.running:
                id = f"{teller}-without-{name}".encode()
                self._herd.wait_until_known(id, self._tell(teller, id, b"1"), SOON_SECONDS)
            self._herd.start(name)

    def comes_back(self) -> None:
        """a killed server that comes back knows all when it is ready, and hears what is new"""
        for name in FIVE:
            self._herd.kill(name)
            teller = next(iter(self._herd.running))
            id = b"away-" + name.encode()
            before = self._tell(teller, id, b"1")
            self._herd.wait_until_known(id, before, SOON_SECONDS)
            self._herd.start(name)
            equal(f"what {name} knows", self._herd.known_at(name, id), before)
            after = self._tell(name, id, b"2")
            self._herd.wait_until_known(id, after, SOON_SECONDS)
            again = self._tell(teller, id, b"3")
            self._herd.wait_until_known(id, again, SOON_SECONDS)

    def two_halves(self) -> None:
        """two halves that learnt apart know the same once they are joined"""
        for name in "Bona", "Jaquez":
            self._herd.kill(name)
        lines = {id: self._tell(teller, id, b"1") for teller, id in (("Clark", b"here"), ("Bailey", b"there"))}
        both = {teller: self._tell(teller, b"both", stamp) for teller, stamp in (("Clark", b"2"), ("Campbell", b"1"))}
        self._herd.start("Bona", "Jaquez")
        for id, line in (lines | {b"both": both["Clark"]}).items():
            self._herd.wait_until_known(id, line)

    def stops(self) -> None:
        """SIGTERM ends a server with 0"""
        for name in FIVE:
            equal(f"the exit code of {name}", self._herd.terminate(name), 0)
            self._herd.start(name)

    def _tell(self, name: str, id: bytes, stamp: bytes) -> bytes:
        line = exchange(self._herd.clients[name], b"IAMAT %s %s %s\n" % (id, PLACE, stamp))
        check_at(line, name.encode(), id, PLACE, stamp)
        return line
