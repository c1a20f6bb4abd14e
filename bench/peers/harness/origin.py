"""The origin behind every proxy: one nginx worker with fixed answers, and a count of the requests that reached it."""
import hashlib
import http.client
import os
import random
import socket
import time
from pathlib import Path

from .machine import BenchError, Group, free_port

CONF = Path(__file__).parent.parent / "conf"


def fill(template: str, target: Path, **values) -> Path:
    """Writes a configuration from conf/: @NAME@ stands for the value of that name; a line with one that is None is left out."""
    absent = [f"@{name}@" for name, value in values.items() if value is None]
    text = "".join(line for line in (CONF / template).read_text().splitlines(keepends=True) if not any(name in line for name in absent))
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text)
    return target


def nginx_user() -> str:
    """A worker that root starts must be able to read our directory; anybody else's nginx must not name a user."""
    return "user root;" if os.geteuid() == 0 else ""


class Origin:
    def __init__(self, directory: Path, core: int):
        seeded = random.Random(20)
        body128 = "".join(seeded.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=128))
        bodies = directory / "bodies"
        bodies.mkdir()
        (bodies / "10k").write_bytes(seeded.randbytes(10 * 1024))
        (bodies / "1m").write_bytes(seeded.randbytes(1024 * 1024))
        (bodies / "post").touch()  # origin.conf says what for
        self.hashes = {
            "/128": hashlib.sha256(body128.encode()).hexdigest(),
            "/10k": hashlib.sha256((bodies / "10k").read_bytes()).hexdigest(),
            "/1m": hashlib.sha256((bodies / "1m").read_bytes()).hexdigest(),
            "/post": hashlib.sha256(b"accepted").hexdigest(),
        }
        self.directory = directory
        self.port, status_port = free_port(), free_port()
        configuration = fill(
            "origin.conf", directory / "origin.conf", USER=nginx_user(), DIR=directory,
            PORT=self.port, STATUS_PORT=status_port, BODY128=body128)
        self.group = Group("origin", ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)], core, directory / "origin.log")
        self._status = http.client.HTTPConnection("127.0.0.1", status_port, timeout=10)
        self._polls = 0

    def prepare(self) -> None:
        wait_for_answer(self.group, self.port)
        self._prove_that_bodies_are_read()

    def requests(self) -> int:
        """Requests that have reached the origin so far, our own polls left out."""
        self._status.request("GET", "/")
        self._polls += 1
        lines = self._status.getresponse().read().decode().split("\n")
        return int(lines[2].split()[2]) - self._polls

    def _prove_that_bodies_are_read(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"POST /post HTTP/1.1\r\nHost: origin\r\nContent-Length: 16384\r\n\r\n" + b"x" * 16383)
            connection.settimeout(0.2)
            try:
                connection.recv(1)
                raise BenchError("the origin answered a POST before it had read the body")
            except TimeoutError:
                pass
            connection.settimeout(5)
            connection.sendall(b"x")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise BenchError("the origin did not accept the POST")


def wait_for_answer(group: Group, port: int, patience: float = 30.0) -> float:
    """Seconds from the program's start until GET /128 is answered 200."""
    while time.monotonic() - group.started < patience:
        group.check_alive()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /128 HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                    return time.monotonic() - group.started
        except OSError:
            pass
        time.sleep(0.0005)
    raise BenchError(f"{group.name} did not answer within {patience:.0f} s:\n{group.log.read_text()[-2000:]}")
