"""The herd file: who there is, where, and who has a link with whom."""

import tomllib
from pathlib import Path
from typing import NamedTuple

Address = tuple[str, int]


class Addresses(NamedTuple):
    clients: Address
    peers: Address


class Herd(NamedTuple):
    servers: dict[str, Addresses]
    links: list[tuple[str, str]]

    def neighbours(self, name: str) -> list[str]:
        """Those that a server has a link with."""
        return [b if a == name else a for a, b in self.links if name in (a, b)]


FIVE = ["Bailey", "Bona", "Campbell", "Clark", "Jaquez"]
ASSIGNMENT = Herd(
    {name: Addresses(("127.0.0.1", 10000 + i), ("127.0.0.1", 11000 + i)) for i, name in enumerate(FIVE)},
    [
        ("Clark", "Jaquez"),
        ("Clark", "Bona"),
        ("Campbell", "Bailey"),
        ("Campbell", "Bona"),
        ("Campbell", "Jaquez"),
        ("Bona", "Bailey"),
    ],
)


def read(path: Path) -> Herd:
    """Reads a herd file. Raises OSError, ValueError or KeyError if it is none."""
    file = tomllib.loads(path.read_text())
    servers = {
        name: Addresses(address(entry["clients"]), address(entry["peers"])) for name, entry in file["servers"].items()
    }
    links = [(a, b) for a, b in file.get("links", [])]
    for name in {name for link in links for name in link}:
        servers[name]
    return Herd(servers, links)


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
