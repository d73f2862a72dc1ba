"""A small web server on loopback that shows a folder: a bucket, or the hub."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Served:
    """A folder, and where it is shown."""

    folder: Path
    url: str
    requests: list[str]
    """Status, method and path of every answer so far."""
    agents: list[str]
    """Who asked."""


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve the folder; ``/OWNER/REPO/resolve/REVISION/FILE`` is FILE, with the headers that the hub adds."""
    served = Served(folder, "", [], [])

    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.partition("/resolve/")[2].partition("/")[2] or path)

        def send_response(self, code: int, message: str | None = None) -> None:
            super().send_response(code, message)
            served.requests.append(f"{code} {self.command} {self.path}")
            served.agents.append(self.headers.get("User-Agent", ""))

        def end_headers(self) -> None:
            path = Path(self.translate_path(self.path))
            if "/resolve/" in self.path and path.is_file():
                self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
                self.send_header("X-Repo-Commit", COMMIT)
            elif "/resolve/" in self.path:
                self.send_header("X-Error-Code", "EntryNotFound")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
