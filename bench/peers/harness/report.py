"""Medians, ratios and the page bench/RESULTS.md, of which only our own section is replaced."""
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from .load import Case, Closed, Open, Window

BEGIN, END = "<!-- peers: begin (written by bench/peers/run) -->", "<!-- peers: end -->"
POLICIES = ("<!-- policies: begin (written by bench/peers/run --policies) -->", "<!-- policies: end -->")
TLS = ("<!-- tls: begin (written by bench/peers/run --tls) -->", "<!-- tls: end -->")

HTTP2 = ("<!-- http2: begin (written by bench/peers/run --http2) -->", "<!-- http2: end -->")


@dataclass
class Start:
    first_answer_ms: list[float] = field(default_factory=list)
    idle_bytes: int = 0
    steady_seconds: float | None = None
    cold: list[Window] = field(default_factory=list)


@dataclass
class Results:
    versions: dict[str, str]
    absent: dict[str, str]
    options: str
    starts: dict[str, Start] = field(default_factory=dict)
    closed: dict[tuple[str, str], list[Closed]] = field(default_factory=dict)
    open: dict[tuple[str, str], list[Open]] = field(default_factory=dict)


def steady_after(windows: list[Window]) -> float | None:
    """Seconds of load until what a request costs, by the median over two seconds, is no more than 10 % above its final value (the median of the last
    quarter) and stays there. By instructions where they are counted: the CPU time of programs that compile nothing differs by more than that here."""
    if len(windows) < 16:
        return None
    costs = [w.cpu_us if w.instructions is None else w.instructions for w in windows]
    smooth = [statistics.median(costs[i:i + 8]) for i in range(len(costs) - 7)]
    final = statistics.median(costs[-len(costs) // 4:])
    above = [i for i, cost in enumerate(smooth) if cost > 1.1 * final]
    if not above:
        return windows[0].end
    # Over the last such windows, i to i + 7, half are above: the fifth is the first from which they need not be.
    return None if above[-1] + 1 >= len(smooth) else windows[above[-1] + 4].end


def _median(values) -> float:
    return statistics.median(values)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda row: "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return [line(head), rule, *map(line, rows)]


def _case_table(results: Results, case: Case, names: list[str]) -> list[str]:
    cost = {n: _median(c.cpu_us for c in results.closed[n, case.name]) for n in names if results.closed.get((n, case.name))}
    reference = cost.get("haproxy")
    rates = [o[0].rate for (_, c), o in results.open.items() if c == case.name and o]
    rate = f"open {rates[0]:,}/s: " if rates else "open: "
    rows = []
    for name in names:
        closed, opened = results.closed.get((name, case.name), []), results.open.get((name, case.name), [])
        if not closed:
            continue
        proxied = name != "direct"
        rows.append([
            name,
            _number(_median(c.requests_per_second for c in closed), 0),
            _number(cost[name]) if proxied else "–",
            f"{min(c.cpu_us for c in closed):.1f}–{max(c.cpu_us for c in closed):.1f}" if proxied else "–",
            f"{cost[name] / reference:.2f}" if proxied and reference else "–",
            _number(_median(c.p50_ms for c in closed), 2),
            _number(_median(c.p99_ms for c in closed), 2),
            _number(_median(o.p50_ms for o in opened), 2) if opened else "–",
            _number(_median(o.p99_ms for o in opened), 2) if opened else "–",
            _number(_median(o.cpu_us for o in opened)) if opened and proxied else "–",
            _number(_median(c.resident_bytes for c in closed) / 1e6, 0) if proxied else "–",
        ])
    head = ["", "requests/s", "CPU µs/request", "lowest–highest", "× HAProxy", "p50 ms", "p99 ms",
            rate + "p50 ms", "p99 ms", "CPU µs", "loaded MB"]
    missed = sorted({n for (n, c), opened in results.open.items() if c == case.name and any(o.reached < 0.97 * o.rate for o in opened)})
    note = [f"The open-loop rate was not reached by: {', '.join(missed)}.", ""] if missed else []
    return [f"### {case.title}", "", *table(head, rows), "", *note]


def _start_table(results: Results, names: list[str]) -> list[str]:
    rows = []
    for name in names:
        start = results.starts.get(name)
        if start is None:
            continue
        first_second = [w.cpu_us for w in start.cold if w.end <= 1.05]
        rows.append([
            name, _number(_median(start.first_answer_ms), 0), _number(start.steady_seconds) if start.steady_seconds else "not reached",
            _number(_median(first_second)) if first_second else "–", _number(start.idle_bytes / 1e6, 0)])
    return ["### Start", "", *table(["", "first answer ms", "steady after s of load", "CPU µs/request in the first second", "idle MB"], rows), ""]


def machine() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = cpuinfo.partition("model name")[2].partition("\n")[0].strip("\t :") or platform.machine()
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}"


def render(results: Results, cases: list[Case], names: list[str], title: str) -> str:
    foreign = [c.foreign_share for measured in results.closed.values() for c in measured]
    lines = [
        f"## {title}", "",
        f"`bench/peers/run {results.options}`".replace(" `", "`") + f" on {time.strftime('%Y-%m-%d')}: {machine()}. The proxy on one core, origin (nginx, one worker) and load on another; "
        "64 connections (HTTP/2: h2load). CPU is user + system time of all the proxy's processes per request, at saturation (wrk, closed loop); "
        "the open-loop columns are at a fixed rate (oha), latency from the intended send time. Medians of the rounds. Compare ratios: µs do not carry over to other machines.", ""]
    if foreign:
        lines += [f"Other work on the machine took {_median(foreign):.1%} of it (median; worst window {max(foreign):.0%}).", ""]
    lines += [f"- {name}: {version}" for name, version in results.versions.items()]
    lines += [f"- {name}: left out, {reason}" for name, reason in results.absent.items()]
    lines.append("")
    for case in cases:
        lines += _case_table(results, case, names)
    if results.starts:
        lines += _start_table(results, names)
        lines += ["First answer: from the start of the process. Steady: from the first request of a fresh process until "
                  "the instructions per request outside the kernel (perf; the CPU time where they are not counted), by the median over two seconds, stay at most 10 % above "
                  "their final value.", ""]
    return "\n".join(lines)


def write(path: Path, section: str, begin: str = BEGIN, end: str = END) -> None:
    text = path.read_text() if path.exists() else f"# Measured\n\n{begin}\n{end}\n"
    if begin not in text:
        text = text.rstrip("\n") + f"\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    path.write_text(f"{before}{begin}\n\n{section}\n{end}{after}")
