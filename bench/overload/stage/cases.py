"""What Malha must hold beyond the table, each with its bound. It is told nothing but where the service is, except where a case says so."""
import math
from dataclasses import dataclass, field
from typing import Callable

from .plans import BATCH, CAPACITY, CRITICAL, SERVICE_MS, WORKERS, plan, stream, window
from .program import Played, Service

SECONDS = 15
FLOOD_FACTOR = 5
SETTLED_CALLS, SETTLED_SECONDS = 200, 2
LEAST_GOODPUT = 0.95
MOST_REFUSAL_MS = 20
MOST_WAIT_IN_SERVICE_TIMES = 3
MOST_P99_FACTOR = 1.25
HOP_MS = 2
"""What a gateway may add to a short call's p99 on a busy machine."""
LEAST_CRITICAL = 0.994


@dataclass(frozen=True)
class Check:
    what: str
    value: float | None
    bound: float
    unit: str
    at_least: bool

    @property
    def passed(self) -> bool:
        return self.value is not None and (self.value >= self.bound if self.at_least else self.value <= self.bound)

    def text(self, value: float | None) -> str:
        if value is None:
            return "none"
        return {"%": f"{value:.2%}", "ms": f"{value:.1f} ms", "": f"{value:g}"}[self.unit]

    def bound_text(self) -> str:
        return ("≥ " if self.at_least else "≤ ") + self.text(self.bound)


def at_least(what: str, value: float | None, bound: float, unit: str = "%") -> Check:
    return Check(what, value, bound, unit, at_least=True)


def at_most(what: str, value: float | None, bound: float, unit: str = "ms") -> Check:
    return Check(what, value, bound, unit, at_least=False)


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    plan: Callable[[list[Service], int], dict]
    """(the services, the port that the clients call) → the plan."""
    checks: Callable[[Played, Played | None], list[Check]]
    """(through Malha, without it) → what must hold; the second only where `beside_bare`."""
    configuration: str = "malha.yaml"
    services: list[dict] = field(default_factory=lambda: [{}])
    """Settings of each service."""
    beside_bare: bool = False
    seconds: int = SECONDS


def _settled(rate: float) -> float:
    return max(SETTLED_CALLS / rate, SETTLED_SECONDS)


def _p99_bound(service_ms: float, exponential: bool) -> float:
    """The bare service's p99 (of the exponential distribution: mean × ln 100) and the wait that is allowed on top."""
    return service_ms * (math.log(100) if exponential else 1) + MOST_WAIT_IN_SERVICE_TIMES * service_ms


def _holds(figures: dict, service_ms: float, exponential: bool, prefix: str = "") -> list[Check]:
    checks = [
        at_least(f"{prefix}goodput", figures["goodput"], LEAST_GOODPUT),
        at_most(f"{prefix}p99 of admitted", figures["goodP99Ms"], _p99_bound(service_ms, exponential))]
    if figures["refused"]:
        checks.append(at_most(f"{prefix}p99 of refusals", figures["refusedP99Ms"], MOST_REFUSAL_MS))
    return checks


def _flood(name: str, title: str, workers: int = WORKERS, service_ms: float = SERVICE_MS, exponential: bool = False, lose: int = 0, held: int = 0) -> Case:
    capacity = workers / service_ms * 1e3
    rate = FLOOD_FACTOR * capacity

    def make(services: list[Service], port: int) -> dict:
        kept = [{"url": f"http://127.0.0.1:{port}/socket", "count": held, "webSocket": True},
                {"url": f"http://127.0.0.1:{port}/events", "count": held, "webSocket": False}] if held else []
        return plan(services[0].control("/warm"), SECONDS, [stream(port, "calls", (0, rate))], capacity,
                    windows=[window("settled", _settled(rate), SECONDS)], held=kept)

    def checks(played: Played, _) -> list[Check]:
        found = _holds(played.total("settled"), service_ms, exponential)
        return found + ([at_least("connections still open", played.load["heldAlive"], 2 * held, "")] if held else [])

    return Case(name, title, make, checks, services=[
        {"workers": workers, "serviceMs": service_ms, "exponential": exponential, "loseWorkerPerQueued": lose}])


def _two() -> Case:
    rate = FLOOD_FACTOR * CAPACITY

    def make(services: list[Service], port: int) -> dict:
        return plan(services[0].control("/warm"), SECONDS, [
            stream(port, "first", (0, rate), path="/first/", capacity=CAPACITY),
            stream(port, "second", (0, rate), path="/second/", capacity=CAPACITY)], windows=[window("settled", _settled(rate), SECONDS)])

    def checks(played: Played, _) -> list[Check]:
        return [check for name in ("first", "second")
                for check in _holds(played.stream("settled", name), SERVICE_MS, False, f"{name}: ")]

    return Case("two", "two services behind one gateway, each at 5×", make, checks, "malha-two.yaml", [{}, {}])


def _burst() -> Case:
    def make(services: list[Service], port: int) -> dict:
        return plan(services[0].control("/warm"), 9, [stream(port, "calls", bursts=[(3, 20), (7, 20)])])

    return Case("burst", "idle, then a burst of 20 calls, twice", make,
                lambda played, _: [at_least("served", played.total("all")["goodShare"], 1.0)], seconds=9)


def _routes() -> Case:
    def make(services: list[Service], port: int) -> dict:
        return plan(services[0].control("/warm"), 12, [
            stream(port, "quick", (0, 200), path="/quick?ms=1"), stream(port, "slow", (0, 20), path="/slow?ms=200")],
            windows=[window("settled", SETTLED_SECONDS, 12)])

    def checks(played: Played, bare: Played) -> list[Check]:
        found = []
        for name in ("quick", "slow"):
            here, there = played.stream("settled", name), bare.stream("settled", name)
            found += [at_least(f"{name}: served", here["goodShare"], 1.0),
                      at_most(f"{name}: p99", here["goodP99Ms"], there["goodP99Ms"] * MOST_P99_FACTOR + HOP_MS)]
        return found

    return Case("routes", "a route of 1 ms (200/s) and one of 200 ms (20/s) on one service, beside no proxy", make, checks, "malha-routes.yaml",
                beside_bare=True, seconds=12)


def _hang() -> Case:
    hangs_at, seconds = 8, 18

    def make(services: list[Service], port: int) -> dict:
        return plan(services[0].control("/warm"), seconds, [
            stream(port, "hanging", (0, 0.7 * CAPACITY), path="/first/"), stream(port, "healthy", (0, 0.4 * CAPACITY), path="/second/")],
            actions=[{"at": hangs_at, "url": services[0].control("/stall?seconds=60")}],
            windows=[window("before", 1, hangs_at), window("during", hangs_at, seconds)])

    def checks(played: Played, _) -> list[Check]:
        before, during = played.stream("before", "healthy"), played.stream("during", "healthy")
        return [at_least("healthy: served", during["goodShare"], 1.0),
                at_most("healthy: p99", during["goodP99Ms"], MOST_P99_FACTOR * before["goodP99Ms"])]

    return Case("hang", "one of two dependencies hangs", make, checks, "malha-two.yaml", [{}, {}], seconds=seconds)


def _critical() -> Case:
    batch = 20 * CAPACITY

    def make(services: list[Service], port: int) -> dict:
        return plan(services[0].control("/warm"), SECONDS, [
            stream(port, "critical", (0, 50), headers=CRITICAL), stream(port, "batch", (0, batch), headers=BATCH)], CAPACITY,
            windows=[window("settled", _settled(batch), SECONDS)])

    def checks(played: Played, _) -> list[Check]:
        return [at_least("critical: served", played.stream("settled", "critical")["goodShare"], LEAST_CRITICAL),
                at_least("goodput of both", played.total("settled")["goodput"], LEAST_GOODPUT)]

    return Case("critical", "a critical client (50/s) beside batch at 20×; told clients and classes", make, checks, "malha-classes.yaml")


CASES = [
    _flood("flood", "10 × 50 ms"),
    _flood("one", "1 × 50 ms (20/s)", workers=1),
    _flood("quick", "10 × 5 ms (2,000/s)", service_ms=5),
    _flood("wide", "100 × 50 ms (2,000/s)", workers=100),
    _flood("exponential", "10 × 50 ms, exponential service times", exponential=True),
    _flood("loses", "10 × 50 ms, a worker lost per 50 that wait", lose=50),
    _two(),
    _burst(),
    _routes(),
    _flood("held", "10 × 50 ms beside 50 WebSockets and 50 event streams", held=50),
    _hang(),
    _critical(),
]
