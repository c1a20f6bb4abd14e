"""The load: the cases, wrk as closed loop, oha as open loop, and the check that every case returns the right bytes."""
import hashlib
import http.client
import json
import re
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .instructions import Instructions, at as instructions_at
from .machine import BenchError, Group, machine_busy_seconds, process_cpu_seconds
from .origin import Origin
from .peers import API_KEY

LUA = Path(__file__).parent.parent / "load.lua"
OHA = Path(__file__).parents[4] / "shared" / "peers" / "oha"
CONNECTIONS = 64


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    path: str
    method: str = "GET"
    body_bytes: int = 0
    close: bool = False
    tls: bool = False
    http2: bool = False
    """In clear with prior knowledge, with h2load."""


CASES = [
    Case("get128", "128-byte GET, keep-alive", "/128"),
    Case("get10k", "10 KB GET, keep-alive", "/10k"),
    Case("get1m", "1 MB GET, keep-alive", "/1m"),
    Case("post16k", "POST of 16 KB, keep-alive", "/post", "POST", 16384),
    Case("new128", "128-byte GET, a new connection per request", "/128", close=True),
    Case("tls128", "128-byte GET over TLS 1.3, keep-alive", "/128", tls=True),
    # wrk keeps a connection's session and offers it again, as browsers do.
    Case("tlsnew", "128-byte GET over TLS 1.3, a new connection per request, sessions resumed", "/128", close=True, tls=True),
    Case("h2get128", "128-byte GET over HTTP/2 in clear, 8 connections × 8 streams", "/128", http2=True),
]


@dataclass
class Closed:
    requests_per_second: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    resident_bytes: int
    foreign_share: float
    """CPU time that neither the proxy, the origin, the load nor this program used, as a share of the machine: a noisy neighbour."""


@dataclass
class Open:
    rate: int
    reached: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


@dataclass
class _Sample:
    at: float
    requests: int
    proxy_cpu: float
    ours: float
    everybody: float


def check_bytes(case: Case, port: int, origin: Origin, name: str) -> None:
    """Twice on one connection, so that a proxy that spoils the second answer is seen too."""
    if case.http2:
        answer = subprocess.run(
            ["curl", "-sS", "--max-time", "10", "--http2-prior-knowledge", _url(case, port), "-w", "%{http_code} %{http_version}"],
            capture_output=True, check=False)
        body = answer.stdout.removesuffix(b"200 2")
        if answer.returncode != 0 or body == answer.stdout or hashlib.sha256(body).hexdigest() != origin.hashes[case.path]:
            raise BenchError(f"{name} answers {case.path} over HTTP/2 with {answer.stdout[:200]} {answer.stderr[:200]}")
        return
    if case.tls:
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=ssl._create_unverified_context())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(2):
        headers = {"Connection": "close"} if case.close else {}
        connection.request(case.method, case.path, b"x" * case.body_bytes if case.body_bytes else None, headers)
        answer = connection.getresponse()
        digest = hashlib.sha256(answer.read()).hexdigest()
        if answer.status != 200 or digest != origin.hashes[case.path]:
            raise BenchError(f"{name} answers {case.method} {case.path} with {answer.status} and body {digest[:12]}, not what the origin sent")
    connection.close()


def _sample(origin: Origin, proxy: Group | None, load_pid: int) -> _Sample:
    proxy_cpu = proxy.cpu_seconds() if proxy else 0.0
    ours = proxy_cpu + origin.group.cpu_seconds() + process_cpu_seconds(load_pid) + time.process_time()
    return _Sample(time.monotonic(), origin.requests(), proxy_cpu, ours, machine_busy_seconds())


def _url(case: Case, port: int) -> str:
    # With a name, since clients send none for an address (RFC 6066, 3).
    return f"https://localhost:{port}{case.path}" if case.tls else f"http://127.0.0.1:{port}{case.path}"


def _wrk(case: Case, port: int, seconds: int) -> subprocess.Popen:
    return subprocess.Popen(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-H", f"X-Api-Key: {API_KEY}", "-s", str(LUA), _url(case, port),
         "--", case.method, str(case.body_bytes), "close" if case.close else "keep"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish_wrk(load: subprocess.Popen, what: str) -> dict:
    output = load.communicate(timeout=60)[0]
    line = next((x for x in output.splitlines() if x.startswith("{")), None)
    if load.returncode != 0 or line is None:
        raise BenchError(f"wrk failed on {what}:\n{output}")
    result = json.loads(line)
    if any(result["errors"].values()) or result["requests"] == 0:
        raise BenchError(f"errors during the load on {what}: {result}")
    return result


def _h2load(case: Case, port: int, seconds: int, log: Path) -> subprocess.Popen:
    log.unlink(missing_ok=True)
    return subprocess.Popen(
        ["h2load", "-t1", "-c8", "-m8", "-D", str(seconds), "-H", f"X-Api-Key: {API_KEY}", "--log-file", str(log), _url(case, port)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _finish_h2load(load: subprocess.Popen, what: str, log: Path) -> dict:
    output = load.communicate(timeout=60)[0]
    counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    if load.returncode != 0 or counts is None or any(int(counts[n]) for n in (3, 4, 5)) or not int(counts[2]):
        raise BenchError(f"h2load failed on {what}:\n{output}")
    times = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    return {"requests": int(counts[2]), "p50Ms": times[len(times) // 2] / 1e3, "p99Ms": times[len(times) * 99 // 100] / 1e3}


def closed_loop(case: Case, port: int, origin: Origin, proxy: Group | None, seconds: int) -> Closed:
    """Saturation. The window lies inside wrk's run, so that what is in flight at its two ends cancels out."""
    what = f"{proxy.name if proxy else 'direct'} {case.name}"
    before = origin.requests()
    log = origin.directory / "h2load.log"
    load = _h2load(case, port, seconds + 1, log) if case.http2 else _wrk(case, port, seconds + 1)
    try:
        time.sleep(0.6)
        first = _sample(origin, proxy, load.pid)
        resident = 0
        while time.monotonic() < first.at + seconds:
            time.sleep(min(0.5, max(0.0, first.at + seconds - time.monotonic())))
            resident = max(resident, proxy.resident_bytes() if proxy else 0)
        last = _sample(origin, proxy, load.pid)
        result = _finish_h2load(load, what, log) if case.http2 else _finish_wrk(load, what)
    finally:
        load.kill()
        load.wait()
    reached = origin.requests() - before
    if not result["requests"] <= reached <= result["requests"] * 1.02 + 2 * CONNECTIONS:
        raise BenchError(f"{what}: wrk counted {result['requests']} answers, the origin {reached} requests")
    requests, elapsed = last.requests - first.requests, last.at - first.at
    foreign = max(0.0, (last.everybody - first.everybody) - (last.ours - first.ours))
    return Closed(
        requests / elapsed, (last.proxy_cpu - first.proxy_cpu) / requests * 1e6, result["p50Ms"], result["p99Ms"], resident,
        foreign / (elapsed * _cores()))


def _cores() -> int:
    return Path("/proc/cpuinfo").read_text().count("\nprocessor") + 1


def open_loop(case: Case, port: int, origin: Origin, proxy: Group | None, seconds: int, rate: int) -> Open:
    """A fixed rate whatever the proxy does; latency counts from the moment at which a request was meant to leave."""
    what = f"{proxy.name if proxy else 'direct'} {case.name} at {rate}/s"
    command = [str(OHA), "-z", f"{seconds + 1}s", "-c", str(CONNECTIONS), "-q", str(rate), "--latency-correction", "-j", "--no-tui",
               "--disable-compression", "-m", case.method]
    command += ["-d", "x" * case.body_bytes] if case.body_bytes else []
    command += ["--disable-keepalive"] if case.close else []
    command += ["--insecure"] if case.tls else []
    load = subprocess.Popen([*command, _url(case, port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.6)
        first = _sample(origin, proxy, load.pid)
        time.sleep(seconds)
        last = _sample(origin, proxy, load.pid)
        output, complaint = load.communicate(timeout=60)
    finally:
        load.kill()
        load.wait()
    if load.returncode != 0:
        raise BenchError(f"oha failed on {what}:\n{complaint}")
    result = json.loads(output)
    errors = {k: v for k, v in result["errorDistribution"].items() if k != "aborted due to deadline"}
    if errors or set(result["statusCodeDistribution"]) != {"200"}:
        raise BenchError(f"errors during the load on {what}: {errors} {result['statusCodeDistribution']}")
    requests = last.requests - first.requests
    percentiles = result["latencyPercentiles"]
    return Open(
        rate, requests / (last.at - first.at), (last.proxy_cpu - first.proxy_cpu) / requests * 1e6,
        percentiles["p50"] * 1e3, percentiles["p99"] * 1e3)


@dataclass
class Window:
    """250 ms of the first load that a proxy gets."""
    end: float
    """Seconds since the load began."""
    cpu_us: float
    """Per request, as is what follows."""
    instructions: float | None
    """Outside the kernel; None where the machine does not count them."""


def from_cold(port: int, origin: Origin, proxy: Group, seconds: int) -> list[Window]:
    counter = Instructions.begin(proxy.pids(), proxy.log.with_suffix(".instructions"), seconds)
    counter_began = time.monotonic()
    load = _wrk(CASES[0], port, seconds)
    samples = []
    try:
        began = time.monotonic()
        for number in range(seconds * 4):
            time.sleep(max(0.0, began + number * 0.25 - time.monotonic()))
            samples.append((time.monotonic(), proxy.cpu_seconds(), origin.requests()))
        _finish_wrk(load, f"{proxy.name}, first load")
    finally:
        load.kill()
        load.wait()
    counted = counter.end() if counter else []
    windows = []
    for (start, cpu, requests), (end, cpu_then, requests_then) in zip(samples, samples[1:]):
        count = requests_then - requests
        if count > 0:
            spent = instructions_at(counted, end - counter_began) - instructions_at(counted, start - counter_began)
            windows.append(Window(end - began, (cpu_then - cpu) / count * 1e6, spent / count if counted else None))
    return windows
