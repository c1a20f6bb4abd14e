"""The five scenarios of the table: what is played, and which figures of it count."""
from dataclasses import dataclass
from typing import Callable

from .plans import BATCH, BLIND_RETRIES, CAPACITY, CRITICAL, LEAD_SECONDS, plan, stream
from .program import Played, Service

FLOOD_SECONDS = 15
TRIGGER_SECONDS = 10
STALL_SECONDS = 3
RUN_SECONDS = 27
"""Lead, trigger and at least 12 s after it: long enough to see whether it comes back."""

FLOOD, NORMAL = 5 * CAPACITY, 0.7 * CAPACITY
CRITICAL_RATE = 50


@dataclass(frozen=True)
class Figure:
    """One figure of a scenario; compared, the higher one is better unless it is a time."""
    name: str
    value: float | None
    unit: str
    lower_is_better: bool = False

    def text(self) -> str:
        if self.value is None:
            return "never" if self.name == "back" else "–"
        return {"%": f"{self.value:.1%}", "ms": f"{self.value:.0f} ms", "s": f"{self.value:.0f} s"}[self.unit]


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    plan: Callable[[Service, int], dict]
    """(the service, the port that the clients call) → the plan."""
    figures: Callable[[Played], list[Figure]]


def _goodput(played: Played) -> Figure:
    return Figure("goodput", played.total("all")["goodput"], "%")


def _back(played: Played) -> Figure:
    return Figure("back", played.load["backAfter"], "s", lower_is_better=True)


def _flood(service: Service, port: int) -> dict:
    return plan(service.control("/warm"), FLOOD_SECONDS, [stream(port, "calls", (0, FLOOD))], CAPACITY)


def _classes(service: Service, port: int) -> dict:
    return plan(service.control("/warm"), FLOOD_SECONDS, [
        stream(port, "critical", (0, CRITICAL_RATE), headers=CRITICAL),
        stream(port, "batch", (0, FLOOD - CRITICAL_RATE), headers=BATCH)], CAPACITY)


def _after(service: Service, port: int, trigger_seconds: float, rates: list[tuple[float, float]], fault: str | None = None) -> dict:
    actions = [{"at": LEAD_SECONDS, "url": service.control(fault)}] if fault else []
    return plan(service.control("/warm"), RUN_SECONDS, [stream(port, "calls", *rates)], CAPACITY, actions=actions,
                triggerEnds=LEAD_SECONDS + trigger_seconds, retries=BLIND_RETRIES)


def _peak(service: Service, port: int) -> dict:
    return _after(service, port, TRIGGER_SECONDS, [(0, NORMAL), (LEAD_SECONDS, FLOOD), (LEAD_SECONDS + TRIGGER_SECONDS, NORMAL)])


def _stall(service: Service, port: int) -> dict:
    return _after(service, port, STALL_SECONDS, [(0, NORMAL)], f"/stall?seconds={STALL_SECONDS}")


def _slow(service: Service, port: int) -> dict:
    return _after(service, port, TRIGGER_SECONDS, [(0, NORMAL)], f"/slow?factor=5&seconds={TRIGGER_SECONDS}")


SCENARIOS = [
    Scenario("flood", "5× for 15 s: goodput, p99 of good", _flood,
             lambda p: [_goodput(p), Figure("p99", p.total("all")["goodP99Ms"], "ms", lower_is_better=True)]),
    Scenario("classes", "critical 50/s beside batch 950/s: critical answered", _classes,
             lambda p: [Figure("critical", p.stream("all", "critical")["goodShare"], "%")]),
    Scenario("peak", "0.7×, with 5× for 10 s, 3 retries: back", _peak, lambda p: [_back(p)]),
    Scenario("stall", "0.7×, one stall of 3 s, 3 retries: goodput, back", _stall, lambda p: [_goodput(p), _back(p)]),
    Scenario("slow", "0.7×, 5× slower for 10 s, 3 retries: goodput, back", _slow, lambda p: [_goodput(p), _back(p)]),
]
