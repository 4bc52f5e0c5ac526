"""SPEC 2 and 3: WHATSAT, and Places when it works and when it does not."""

import json
import threading
import time

from .check import Failed, Group, equal, eventually, fail
from .client import NOTHING, Connection, exchange
from .herd import KEY, Herd
from .stub import Does, Stub, answer, answer_when, one_after_the_other, raw, then_wait

LOCATION = b"+34.068930-118.4451270"
# Whatever a parser that writes anew, or that only counts brackets, would get wrong.
FOUR = b"""{
   "html_attributions" : [],
   "meta" : { "results" : [ 1, 2, 3 ], "x" : "]}\\"" },
   "results" : [
      { "name" : "one ],}\\" \\\\", "rating" : 4.50, "lat" : 34.0689210 },
      { "name" : "t\\u00e9w\xc3\xb6", "types" : [ [ ], { } ] },
      3.14e+00,
      "four"
   ],
   "status" : "OK"
}"""
END = b'\n   ],\n   "status" : "OK"\n}'
# Below the deadline of 5 s by nothing, above it by what a busy machine takes.
DEADLINE_SECONDS = 7.0


class Places(Group):
    """One server that knows a client, and a stub that does what a check wants for a radius."""

    def __init__(self, herd: Herd, stub: Stub) -> None:
        self._at, self._stub = herd.clients["Clark"], stub
        self._line = exchange(self._at, b"IAMAT asked %s 1\n" % LOCATION)
        self._radius = 2000

    def request(self) -> None:
        """the request is a Nearby Search with the digits as given"""
        exchange(
            self._at,
            b"IAMAT digits -0.50+001.0 2\nWHATSAT asked 0.25 5\nWHATSAT digits 0.0100 5\nWHATSAT digits 12.34567 5\n",
        )
        path = "/maps/api/place/nearbysearch/json?location={}&radius={}&key=" + KEY
        equal("250 m", self._stub.asked("250"), [path.format("34.068930,-118.4451270", "250")])
        equal("10 m", self._stub.asked("10"), [path.format("-0.50,001.0", "10")])
        equal("12345.67 m", self._stub.asked("12345.67"), [path.format("-0.50,001.0", "12345.67")])
        if any("referer" in headers for _, headers in self._stub.requests):
            raise Failed("a request has a referrer")

    def cut(self) -> None:
        """from as many results as asked for every byte stays, below it is cut by byte range"""
        self._stub.by_radius["1900"] = answer(FOUR)
        four = FOUR.index(b',\n      "four"')
        for bound, expected in [
            (20, FOUR),
            (4, FOUR),
            (3, FOUR[:four] + END),
            (2, FOUR[: FOUR.index(b",\n      3.14")] + END),
            (1, FOUR[: FOUR.index(b',\n      { "name" : "t')] + END),
        ]:
            reply = exchange(self._at, b"WHATSAT asked 1.9 %d\n" % bound)
            equal(f"bound {bound}", reply, self._line + expected + b"\n\n")

    def verbatim(self) -> None:
        """spacing, order of keys, digits and escapes are those of Places"""
        for body in (
            b"{}",
            b'{"b":1.0e5,"a":[ ],"b":-0}',
            b'{ "results":\t[\r1 ] , "x":12345678901234567890.10}',
            b'{"results":{"a":[1,2]}}',
        ):
            self._check_body(answer(body), body)

    def newlines(self) -> None:
        """newlines around the JSON go, and runs become one"""
        self._check_body(answer(b'\n\n{\n\n\n"a"\n\n: 1}\n\n\n'), b'{\n"a"\n: 1}')

    def bound_0(self) -> None:
        """a bound of 0 is answered without asking Places"""
        equal("the reply", exchange(self._at, b"WHATSAT asked 1.901 0\n"), self._line + NOTHING)
        equal("requests", self._stub.asked("1901"), [])

    def moment(self) -> None:
        """AT line and location are those of the moment of the command"""
        let_go = threading.Event()
        self._stub.by_radius["1902"] = answer_when(let_go, b"{}")
        line = exchange(self._at, b"IAMAT moves %s 1\n" % LOCATION)
        with Connection.to(self._at) as client:
            client.send(b"WHATSAT moves 1.902 5\n")
            eventually("Places is asked", lambda: bool(self._stub.asked("1902")))
            exchange(self._at, b"IAMAT moves +1-1 2\n")
            let_go.set()
            equal("the reply", client.reply(), (line, b"{}\n\n"))

    def passed_on(self) -> None:
        """a JSON object that Places sent is passed on with any HTTP status"""
        denied = b'{\n   "error_message" : "no",\n   "results" : [],\n   "status" : "REQUEST_DENIED"\n}'
        for status in 200, 403, 404, 500:
            self._check_body(answer(denied, status), denied)

    def failures(self) -> None:
        """failures of Places are answered in its own shape, by table"""
        too_large = b'{"results":[],"x":"%s"}' % (b"x" * (1 << 20))
        for what, does, status in [
            ("500", answer(b"oops", 500), "UNKNOWN_ERROR"),
            ("404", answer(b"oops", 404), "UNKNOWN_ERROR"),
            ("429", answer(b"", 429), "OVER_QUERY_LIMIT"),
            ("401", answer(b"", 401), "REQUEST_DENIED"),
            ("403", answer(b"<html>", 403), "REQUEST_DENIED"),
            ("400", answer(b"[]", 400), "INVALID_REQUEST"),
            ("half an object", answer(b'{"results":['), "UNKNOWN_ERROR"),
            ("an array", answer(b"[1]"), "UNKNOWN_ERROR"),
            ("two objects", answer(b"{}{}"), "UNKNOWN_ERROR"),
            ("a comma too many", answer(b'{"results":[1,]}'), "UNKNOWN_ERROR"),
            ("NaN", answer(b'{"results":[NaN]}'), "UNKNOWN_ERROR"),
            ("a tab in a string", answer(b'{"a":"\t"}'), "UNKNOWN_ERROR"),
            ("no UTF-8", answer(b'{"a":"\xff"}'), "UNKNOWN_ERROR"),
            ("nothing", answer(b""), "UNKNOWN_ERROR"),
            ("too much", answer(too_large), "UNKNOWN_ERROR"),
            ("too much without a length", raw(b"HTTP/1.1 200 OK\r\n\r\n" + too_large), "UNKNOWN_ERROR"),
            ("an answer cut off", raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"), "UNKNOWN_ERROR"),
            ("an end", raw(b""), "UNKNOWN_ERROR"),
            ("no HTTP", raw(b"what is HTTP?\n"), "UNKNOWN_ERROR"),
        ]:
            self._check_refusal(what, self._ask(does)[1], status)

    def retries(self) -> None:
        """429, 5xx and broken connections are tried again, three times at most, and nothing else is"""
        for failing, tries in [(answer(b"", 500), 3), (answer(b"", 429), 3), (answer(b"", 403), 1), (answer(b"["), 1)]:
            radius, _ = self._ask(failing)
            equal("requests", len(self._stub.asked(radius)), tries)
        for failing in answer(b"", 503), raw(b""):
            self._check_body(one_after_the_other(failing, answer(b'{"a":1}')), b'{"a":1}')

    def deadline(self) -> None:
        """a Places that hangs, also in the middle, is given up within 5 s, and the connection goes on"""
        forever = threading.Event()
        started = time.monotonic()
        silent, half = answer_when(forever, b"{}"), then_wait(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", forever)
        self._stub.by_radius["1904"] = half
        with Connection.to(self._at) as other:
            other.send(b"WHATSAT asked 1.904 5\n")
            self._check_refusal("a hanging Places", self._ask(silent)[1], "UNKNOWN_ERROR")
            self._check_refusal("half an answer", other.reply()[1], "UNKNOWN_ERROR")
        forever.set()
        if time.monotonic() - started > DEADLINE_SECONDS:
            raise Failed(f"it took {time.monotonic() - started:.1f} s")

    def redirect(self) -> None:
        """a redirect is not followed"""
        to = answer(b"", 302, {"location": f"{self._stub.url}/maps?radius=1903"})
        self._check_refusal("302", self._ask(to)[1], "UNKNOWN_ERROR")
        equal("requests that followed it", self._stub.asked("1903"), [])

    def too_many_digits(self) -> None:
        """digits that fit into no URL are an invalid request"""
        reply = exchange(self._at, b"IAMAT digits +1.%s-1 3\nWHATSAT digits 1 5\n" % (b"1" * 9000))
        self._check_refusal("many digits", reply.split(b"\n", 2)[2], "INVALID_REQUEST")

    def key(self) -> None:
        """a key that Places repeats gets to no client"""
        _, body = self._ask(answer(b'{ "error_message" : "key %s is bad" }' % KEY.encode()))
        if KEY.encode() in body:
            fail("the body", "no key", body)
        json.loads(body)

    def _ask(self, does: Does) -> tuple[str, bytes]:
        """Has Places do this once; returns the radius, which is new, and the body that came of it."""
        self._radius += 1
        radius = str(self._radius)
        self._stub.by_radius[radius] = does
        with Connection.to(self._at) as client:
            client.send(b"WHATSAT asked %d.%03d 5\nnext\n" % divmod(self._radius, 1000))
            line, body = client.reply()
            equal("the AT line", line, self._line)
            equal("the next reply", client.line(), b"? next\n")
        return radius, body

    def _check_body(self, does: Does, expected: bytes) -> None:
        equal("the body", self._ask(does)[1], expected + b"\n\n")

    def _check_refusal(self, what: str, body: bytes, status: str) -> None:
        said = json.loads(body)
        shape = (
            said.get("html_attributions"),
            said.get("results"),
            said.get("status"),
            type(said.get("error_message")),
        )
        equal(f"what {what} comes to", shape, ([], [], status, str))
        equal(f"newlines of {what}", b"\n\n" in body[:-2], False)
