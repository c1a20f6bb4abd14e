"""Instructions that programs carry out outside the kernel, counted by perf: what a compiler still has to do shows in them, other work on the machine does not."""
import shutil
import subprocess
from pathlib import Path

WINDOW_MS = 250


class Instructions:
    """Counts those of the processes from now on, in windows of 250 ms; None in `begin` where perf or the counter is missing."""

    def __init__(self, process: subprocess.Popen, output: Path):
        self._process = process
        self._output = output

    @staticmethod
    def begin(pids: list[int], output: Path, seconds: int) -> "Instructions | None":
        if not shutil.which("perf"):
            return None
        return Instructions(subprocess.Popen(
            ["perf", "stat", "-x", ",", "-I", str(WINDOW_MS), "-e", "instructions:u", "-p", ",".join(map(str, pids)), "-o", str(output),
             "--", "sleep", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), output)

    def end(self) -> list[tuple[float, int]]:
        """(seconds since the count began, instructions so far); empty when the machine does not count them."""
        self._process.wait()
        total, counted = 0, []
        for line in self._output.read_text().splitlines():
            fields = line.split(",")
            if len(fields) > 3 and fields[1].isdigit():
                total += int(fields[1])
                counted.append((float(fields[0]), total))
        return counted


def at(counted: list[tuple[float, int]], seconds: float) -> float:
    """The instructions until then, between two readings in proportion."""
    before_seconds, before = 0.0, 0
    for after_seconds, after in counted:
        if after_seconds >= seconds:
            return before + (after - before) * (seconds - before_seconds) / (after_seconds - before_seconds)
        before_seconds, before = after_seconds, after
    return before
