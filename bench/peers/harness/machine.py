"""What a measurement needs from the machine: process groups pinned to a core, their CPU time and memory, free ports."""
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something that makes the figures worthless; the run ends with this message."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine_busy_seconds() -> float:
    """CPU time spent by everybody since boot, idle, waiting and stolen time left out."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def process_cpu_seconds(pid: int) -> float:
    """utime + stime of the process with all its threads, ended ones too, as /proc/PID/stat has it, but in nanoseconds instead of ticks."""
    process_clock = (~pid << 3) | 2  # what clock_getcpuclockid() returns on Linux
    return time.clock_gettime(process_clock)


@contextlib.contextmanager
def priority(nice: int):
    """A nice value for this program and what it starts; Linux weighs sessions against each other first, so the session gets it too."""
    session = Path("/proc/self/autogroup")
    before = session.read_text().rpartition(" ")[2].strip() if session.exists() else ""
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        if before and nice:
            session.write_text(str(nice))
        yield
    finally:
        if before and nice:
            session.write_text(before)


class Group:
    """A program in a process group of its own, pinned to one core, that ends when this program ends, however it ends."""

    def __init__(self, name: str, command: list[str], core: int, log: Path, env: dict[str, str] | None = None):
        self.name = name
        self.log = log

        def before_exec():
            os.sched_setaffinity(0, {core})
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        with log.open("w") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, process_group=0, preexec_fn=before_exec)
        self.started = time.monotonic()

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise BenchError(f"{self.name} ended with code {self._process.returncode}:\n{self.log.read_text()[-2000:]}")

    def pids(self) -> list[int]:
        """The group's processes now: nginx, for one, is a master and a worker."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    after_name = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(after_name[2]) == self._process.pid and after_name[0] != "Z":
                    found.append(int(entry))
        return found

    def cpu_seconds(self) -> float:
        self.check_alive()
        return sum(map(process_cpu_seconds, self.pids()))

    def resident_bytes(self) -> int:
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids()) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                self._process.poll()
                if not self.pids():
                    return
                time.sleep(0.01)
