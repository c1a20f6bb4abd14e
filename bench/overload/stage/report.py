"""The tables of both parts, and the record that lets a later run replace some rows and keep the others."""
import json
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.report import machine, table, write

from .cases import Check
from .program import Played
from .scenarios import SCENARIOS, Figure

BEGIN, END = "<!-- overload: begin (written by bench/overload/run) -->", "<!-- overload: end -->"


@dataclass
class Cell:
    """One scenario with one peer."""
    figures: list[Figure]
    foreign_share: float
    for_nobody: float
    disturbed_ms: float
    ended: str = ""
    """The last words of a proxy that did not survive the scenario."""

    def text(self) -> str:
        return ", ".join(figure.text() for figure in self.figures) if not self.ended else f"ended: {self.ended}"


@dataclass
class Row:
    version: str
    measured: str
    cells: dict[str, Cell] = field(default_factory=dict)


def load_rows(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    return {name: Row(row["version"], row["measured"], {
        scenario: Cell([Figure(**figure) for figure in cell.pop("figures")], **cell) for scenario, cell in row["cells"].items()})
        for name, row in json.loads(path.read_text()).items()}


def save_rows(path: Path, rows: dict[str, Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: asdict(row) for name, row in rows.items()}, indent=1))


def best(rows: dict[str, Row], scenario: str, index: int) -> tuple[str, Figure] | None:
    """The best figure that another program than Malha reached, and whose it is; "never" is the worst."""
    found = [(name, cell.figures[index]) for name, row in rows.items()
             if not name.startswith("malha") and (cell := row.cells.get(scenario)) and not cell.ended and cell.figures[index].value is not None]
    if not found:
        return None
    order = (lambda pair: pair[1].value) if found[0][1].lower_is_better else (lambda pair: -pair[1].value)
    return min(found, key=order)


def _scenario_table(rows: dict[str, Row], names: list[str]) -> list[str]:
    shown = [s for s in SCENARIOS if any(s.name in rows[n].cells for n in names)]
    lines = []
    for name in names:
        cells = [rows[name].cells.get(s.name) for s in shown]
        lines.append([name, *(cell.text() if cell else "–" for cell in cells),
                      " / ".join(f"{cell.for_nobody:.0%}" if cell else "–" for cell in cells),
                      " / ".join(f"{cell.foreign_share:.0%}" if cell else "–" for cell in cells)])
    return table(["", *(s.title for s in shown), "work for nobody", "others on the machine"], lines)


def _comparison(rows: dict[str, Row], names: list[str]) -> list[str]:
    lines = []
    for name in (n for n in names if n.startswith("malha")):
        for scenario in SCENARIOS:
            cell = rows[name].cells.get(scenario.name)
            for index, figure in enumerate(cell.figures if cell else []):
                if other := best(rows, scenario.name, index):
                    lines.append([name, f"{scenario.name}: {figure.name}", figure.text(), other[1].text(), other[0]])
    return ["", *table(["", "figure", "Malha", "best of the others", "whose"], lines), ""] if lines else []


def scenarios_section(rows: dict[str, Row], order: list[str], absent: dict[str, str], options: str) -> str:
    names = [n for n in order if n in rows and rows[n].cells]
    lines = [
        "## Overload", "",
        f"`bench/overload/run {options}`".replace(" `", "`") + f" on {time.strftime('%Y-%m-%d')}: {machine()}. One service of 10 workers × 50 ms (200/s) with an unbounded "
        "first-in-first-out queue, which works off what was asked even when the asker has gone. Clients call in an open loop (Poisson) and wait 1 s, "
        "from the moment at which a call was to be sent. Goodput: answers 200 within that second, as a share of what could be served (what was asked, or "
        "200/s where that is less). Back: seconds from the trigger's end to the first of five seconds in a row of which 95 % of the calls were good; "
        "`never`: not in the 12 s (after a stall 19 s) that the run goes on. Retries are blind: 3, at once, each with a second of its own. "
        "nginx-told has `max_conns=10`, haproxy-told `maxconn 10`, a queue of 500 ms and priority by header, envoy-adaptive its gradient controller; malha has "
        "`concurrency: adaptive` and nothing else, malha-classes names the critical client and the classes. Each program starts anew for each scenario. "
        f"The proxy on one core, service and clients on another; a process may open {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,} files, and `ended` is one that did "
        "not survive that limit or another (YARP keeps the files of calls that were given up until their answers come, and .NET reports their end as "
        "out of memory). The last two columns name each scenario in turn.", ""]
    lines += [f"- {name}: {rows[name].version} ({rows[name].measured})" for name in names]
    lines += [f"- {name}: left out, {reason}" for name, reason in absent.items() if name not in names]
    lines += ["", *_scenario_table(rows, names), *_comparison(rows, names)]
    return "\n".join(lines)


def case_rows(title: str, checks: list[Check], played: Played) -> list[list[str]]:
    return [[title if number == 0 else "", check.what, check.text(check.value), check.bound_text(), "pass" if check.passed else "**fail**",
             f"{played.foreign_share:.0%}", f"{played.disturbed_ms():.1f} ms"] for number, check in enumerate(checks)]


def cases_section(version: str, rows: list[list[str]]) -> str:
    lines = ["### What Malha must hold", "", f"`bench/overload/run --cases` on {time.strftime('%Y-%m-%d')}, {version}. 5 × the capacity for 15 s where nothing else is said, "
             "nothing told but where the service is, figures after a settling time of 200 calls or 2 s, whichever is longer.", ""]
    head = ["case", "figure", "measured", "bound", "", "others on the machine", "our clocks late (p99)"]
    return "\n".join([*lines, *table(head, rows), ""])


CASES_BEGIN, CASES_END = "<!-- overload cases: begin (written by bench/overload/run --cases) -->", "<!-- overload cases: end -->"


def write_scenarios(path: Path, section: str) -> None:
    write(path, section, BEGIN, END)


def write_cases(path: Path, section: str) -> None:
    write(path, section, CASES_BEGIN, CASES_END)
