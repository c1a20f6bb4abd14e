"""Plans for the clients (bench/overload/program/Load/Plan.cs has the fields)."""
from .peers import CRITICAL_KEY

WORKERS, SERVICE_MS = 10, 50
CAPACITY = WORKERS / SERVICE_MS * 1e3
DEADLINE_MS = 1000
BLIND_RETRIES = 3
LEAD_SECONDS = 5
"""Undisturbed load before a trigger."""

CRITICAL = {"X-Class": "critical", "X-Api-Key": CRITICAL_KEY}
BATCH = {"X-Class": "batch"}


def stream(port: int, name: str, *rates: tuple[float, float], path: str = "/work", headers: dict | None = None, capacity: float | None = None, bursts=()) -> dict:
    """rates: (from second, calls/s); bursts: (second, calls)."""
    return {
        "name": name, "url": f"http://127.0.0.1:{port}{path}", "headers": BATCH if headers is None else headers, "capacity": capacity,
        "rates": [{"from": start, "perSecond": rate} for start, rate in rates],
        "bursts": [{"at": at, "calls": calls} for at, calls in bursts]}


def plan(warm_url: str, seconds: float, streams: list[dict], capacity: float | None = None, **more) -> dict:
    windows = [{"name": "all", "from": 0, "to": seconds}, *more.pop("windows", [])]
    return {"seconds": seconds, "seed": 20, "deadlineMs": DEADLINE_MS, "capacity": capacity, "streams": streams, "windows": windows, "warmUrl": warm_url, **more}


def window(name: str, start: float, end: float) -> dict:
    return {"name": name, "from": start, "to": end}
