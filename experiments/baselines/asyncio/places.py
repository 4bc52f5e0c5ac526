"""The Places client: every question is answered in bounded time, by Places or in its own shape."""

import asyncio
import json
import random
import re
from typing import Any

import aiohttp
from yarl import URL

from protocol import Update

PATH = "/maps/api/place/nearbysearch/json"
DEADLINE_SECONDS = 5.0
TRIES = 3
PAUSE_SECONDS = 0.2
MAX_IN_FLIGHT = 256
MAX_BODY = 1 << 20
MAX_QUERY = 4096
WHITE_SPACE = re.compile(r"[ \t\r\n]*")
NEWLINES = re.compile(rb"\n+")
NO_RESULTS = b'{\n   "html_attributions" : [],\n   "results" : [],\n   "status" : "OK"\n}'


class Body:
    """A JSON object that Places sent, and where each element of its `results` ends."""

    def __init__(self, body: bytes) -> None:
        """Raises ValueError if it is no JSON object in UTF-8."""
        self.text = NEWLINES.sub(b"\n", body).strip(b"\n").decode()
        try:
            self.ends = element_ends(self.text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    def cut(self, bound: int) -> bytes:
        """The body without the results past the bound; nothing is written anew."""
        if len(self.ends) <= bound:
            return self.text.encode()
        return (self.text[: self.ends[bound - 1]] + self.text[self.ends[-1] :]).encode()


class Places:
    """Asks one Places service, from within the event loop that it is made in."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/") + PATH
        self._key = key
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        # No proxy, cookies or compression that would stand between us and the service.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._session.close()

    async def search(self, update: Update, radius_metres: bytes) -> Body:
        """What is around a client, or why that is not known."""
        location = b",".join(degrees.removeprefix(b"+") for degrees in (update.latitude, update.longitude))
        query = b"location=%s&radius=%s" % (location, radius_metres)
        if len(query) > MAX_QUERY:
            return refusal("INVALID_REQUEST", "The location or the radius has more digits than Places takes.")
        answer = refusal("UNKNOWN_ERROR", f"Places did not answer within {DEADLINE_SECONDS:.0f} s.")
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                for earlier in range(TRIES):
                    await asyncio.sleep(PAUSE_SECONDS * earlier * random.random())
                    answer, final = await self._ask(query.decode())
                    if final:
                        break
        except TimeoutError:
            pass
        return answer

    async def _ask(self, query: str) -> tuple[Body, bool]:
        """One try, and whether another one would be of no use."""
        url = URL(f"{self._url}?{query}&key={self._key}", encoded=True)
        try:
            async with self._slots, self._session.get(url, allow_redirects=False) as response:
                status, body = response.status, await read_at_most(response.content, MAX_BODY)
        except aiohttp.ClientError as error:
            # The text of some of these errors has the URL, and so the key.
            return refusal("UNKNOWN_ERROR", f"Places could not be reached: {type(error).__name__}."), False
        if body is None:
            return refusal("UNKNOWN_ERROR", "The answer of Places was too large."), True
        final = status != 429 and status < 500
        try:
            return Body(body.replace(self._key.encode(), b"[key]") if self._key else body), final
        except ValueError:
            meaning = {400: "INVALID_REQUEST", 401: "REQUEST_DENIED", 403: "REQUEST_DENIED", 429: "OVER_QUERY_LIMIT"}
            message = f"Places answered with HTTP status {status} and no JSON object."
            return refusal(meaning.get(status, "UNKNOWN_ERROR"), message), final


async def read_at_most(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def refusal(status: str, message: str) -> Body:
    """A body of the classic shape for a question that Places did not answer."""
    text = (
        f'{{\n   "error_message" : {json.dumps(message)},\n   "html_attributions" : [],\n'
        f'   "results" : [],\n   "status" : "{status}"\n}}'
    )
    return Body(text.encode())


def element_ends(text: str) -> list[int]:
    """Where each element of the object's `results` ends. Raises ValueError if it is no object."""
    ends: list[int] = []
    at = members(text, "{", "}", skip(text, 0), ends)
    if skip(text, at) != len(text):
        raise ValueError("something follows the object")
    return ends


def members(text: str, opening: str, closing: str, at: int, ends: list[int]) -> int:
    """Walks over an object and its results, or over an array; returns where that ends.

    The json module says where a value ends, but not where those inside of it do.
    """
    expect(text, at, opening)
    at = skip(text, at + 1)
    if text.startswith(closing, at):
        return at + 1
    while True:
        key = None
        if opening == "{":
            expect(text, at, '"')
            key, at = decode(text, at)
            at = skip(text, at)
            expect(text, at, ":")
            at = skip(text, at + 1)
        if key == "results":
            ends.clear()
        if key == "results" and text.startswith("[", at):
            at = members(text, "[", "]", at, ends)
        else:
            _, at = decode(text, at)
            if opening == "[":
                ends.append(at)
        at = skip(text, at)
        if text.startswith(closing, at):
            return at + 1
        expect(text, at, ",")
        at = skip(text, at + 1)


def skip(text: str, at: int) -> int:
    match = WHITE_SPACE.match(text, at)
    assert match, "it matches nothing, too"
    return match.end()


def expect(text: str, at: int, what: str) -> None:
    if not text.startswith(what, at):
        raise ValueError(f"{what} expected at {at}")


def not_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


# Python reads NaN and infinities unless told otherwise.
_decoder = json.JSONDecoder(parse_constant=not_json)


def decode(text: str, at: int) -> tuple[Any, int]:
    """The value at a place, and where it ends."""
    return _decoder.raw_decode(text, at)
