"""The service and the clients: both are modes of the program in bench/overload/program."""
import http.client
import json
import os
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness.machine import BenchError, Group, free_port, machine_busy_seconds
from harness.origin import wait_for_answer
from harness.peers import PUBLISH, ROOT, publish, shared_build_files

PROGRAM = PUBLISH / "overload" / "overload"
# Continuations on the sockets' own thread: the clients' work per call is too small to be worth a hop.
CLIENT_ENVIRONMENT = {"DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS": "1", "DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT": "1"}
LEAST_OPEN_FILES = 16_384


def prepare() -> None:
    project = ROOT / "bench" / "overload" / "program"
    if reason := publish(project, PUBLISH / "overload", [project, *shared_build_files()]):
        raise BenchError(reason)
    # Thousands of clients hold a connection each, and so do the service and the proxies, which inherit this.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < LEAST_OPEN_FILES:
        raise BenchError(f"a process may open {hard:,} files only, and this needs {LEAST_OPEN_FILES:,} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Service:
    """Workers with an unbounded queue, which works off what was asked even when the asker has gone."""

    def __init__(self, name: str, directory: Path, core: int):
        self.port, self.control_port = free_port(), free_port()
        self.group = Group(name, [str(PROGRAM), "service", str(self.port), str(self.control_port)], core, directory / f"{name}.log")
        wait_for_answer(self.group, self.port)

    def control(self, path: str) -> str:
        return f"http://127.0.0.1:{self.control_port}{path}"

    def reset(self, **settings) -> None:
        """An empty queue, no fault, and these settings: workers, serviceMs, exponential, loseWorkerPerQueued, seed."""
        self._ask("POST", "/reset", json.dumps(settings))

    def stats(self) -> dict:
        return json.loads(self._ask("GET", "/stats"))

    def _ask(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise BenchError(f"{self.group.name} answers {method} {path} with {answer.status}")
        return content


@dataclass
class Played:
    """One plan as it went."""
    load: dict
    services: list[dict]
    foreign_share: float
    """CPU time that none of our processes used, as a share of the machine."""
    proxy_cpu_seconds: float

    def disturbed_ms(self) -> float:
        """How late our own clocks were, at the worst: above a few ms the machine, not the proxy, was measured."""
        return max([self.load["latenessP99Ms"], *(s["latenessP99Ms"] for s in self.services)])

    def total(self, window: str) -> dict:
        return self.load["windows"][window]["total"]

    def stream(self, window: str, name: str) -> dict:
        return self.load["windows"][window]["streams"][name]

    def for_nobody(self) -> float:
        """The share of the services' work whose asker had gone or had waited too long."""
        served = sum(s["served"] for s in self.services)
        return sum(s["servedForNobody"] for s in self.services) / served if served else 0.0


def play(plan: dict, services: list[Service], proxy: Group | None, directory: Path) -> Played:
    path = directory / "plan.json"
    path.write_text(json.dumps(plan))
    groups = [s.group for s in services] + ([proxy] if proxy else [])
    began, everybody, ours = time.monotonic(), machine_busy_seconds(), _our_seconds(groups)
    proxy_cpu = proxy.cpu_seconds() if proxy else 0.0
    load = subprocess.run(
        [str(PROGRAM), "load", str(path)], capture_output=True, text=True, check=False,
        timeout=plan["seconds"] + 60, env={**os.environ, **CLIENT_ENVIRONMENT})
    if load.returncode != 0:
        raise BenchError(f"the clients failed:\n{load.stderr[-3000:]}")
    elapsed = time.monotonic() - began
    foreign = (machine_busy_seconds() - everybody) - (_our_seconds(groups) - ours)
    return Played(
        json.loads(load.stdout), [s.stats() for s in services], max(0.0, foreign) / (elapsed * os.cpu_count()),
        proxy.cpu_seconds() - proxy_cpu if proxy else 0.0)


def _our_seconds(groups: list[Group]) -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # the clients, once they have ended
    return sum(g.cpu_seconds() for g in groups) + time.process_time() + children.ru_utime + children.ru_stime
