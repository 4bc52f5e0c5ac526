"""What a check is, how it fails, and how its outcome is told."""

import sys
import time
import traceback
from collections.abc import Callable
from types import FunctionType
from typing import NamedTuple, NoReturn

# Longer than this no check waits for what must come.
PATIENCE_SECONDS = 10.0


class Failed(Exception):
    """A server did something else than expected."""


def fail(what: str, expected: object, got: object) -> NoReturn:
    raise Failed(f"{what}: expected {brief(expected)}, got {brief(got)}")


def equal(what: str, got: object, expected: object) -> None:
    if got != expected:
        fail(what, expected, got)


def eventually(what: str, probe: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


def brief(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 300 else f"{text[:150]} … {text[-150:]}"


class Check(NamedTuple):
    title: str
    run: Callable[[], None]


class Tally:
    """Runs checks one after the other and prints a line about each."""

    def __init__(self) -> None:
        self.held = 0
        self.failed: list[str] = []

    def run(self, name: str, group: "Group") -> None:
        for check in group.checks():
            title = f"{name}: {check.title}"
            try:
                group.prepare()
                check.run()
            except (Failed, OSError) as failure:
                self._fail(title, f"{failure}")
            except Exception:
                self._fail(title, traceback.format_exc())
            else:
                self.held += 1
                print(f"ok      {title}", flush=True)

    def _fail(self, title: str, reason: str) -> None:
        self.failed.append(title)
        print(f"FAILED  {title}\n        {reason}", flush=True)

    def end(self) -> NoReturn:
        """Prints the sum and ends the program: with 0 if all held, else with 1."""
        print(f"\n{self.held} of {self.held + len(self.failed)} checks hold")
        sys.exit(1 if self.failed else 0)


class Group:
    """Checks that have their subject in common: its methods with a docstring, which is their title."""

    def prepare(self) -> None:
        # Whatever each check starts from; the one before may have failed half-way.
        pass

    def checks(self) -> list[Check]:
        members = vars(type(self)).items()
        return [Check(method.__doc__, getattr(self, name)) for name, method in members if is_check(method)]


def is_check(method: object) -> bool:
    return isinstance(method, FunctionType) and bool(method.__doc__) and not method.__name__.startswith("_")
