"""A Places service that does what a check asks of it, by the radius of the search."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Does = Callable[[BaseHTTPRequestHandler], None]

EMPTY = b"{}"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Says nothing: whoever asked may have gone away."""


class Stub:
    """Answers `{}` unless told otherwise for a radius, in metres as it comes."""

    def __init__(self, port: int) -> None:
        self.by_radius: dict[str, Does] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._server = Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def asked(self, radius: str) -> list[str]:
        """The requests for a radius: their paths with their queries."""
        return [path for path, _ in self.requests if radius_of(path) == radius]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stub.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                stub.by_radius.get(radius_of(self.path), answer(EMPTY))(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def radius_of(path: str) -> str:
    return parse_qs(urlsplit(path).query).get("radius", [""])[0]


def answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Does:
    def does(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return does


def answer_when(event: threading.Event, body: bytes) -> Does:
    def does(request: BaseHTTPRequestHandler) -> None:
        event.wait(30)
        answer(body)(request)

    return does


def one_after_the_other(*each: Does) -> Does:
    """The first for the first request, and so on."""
    remaining = list(each)
    return lambda request: remaining.pop(0)(request)


def raw(text: bytes) -> Does:
    """These bytes, and an end."""

    def does(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(text)

    return does


def then_wait(text: bytes, event: threading.Event) -> Does:
    """These bytes, and then nothing."""

    def does(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.wfile.write(text)
        event.wait(30)

    return does
