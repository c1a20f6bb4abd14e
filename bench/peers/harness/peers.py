"""The programs measured: how each is found, started and asked for its version. One worker, keep-alive to the origin, no access log."""
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from .machine import BenchError
from .origin import fill, nginx_user

ROOT = Path(__file__).parents[3]
ENVOY = ROOT.parent / "shared" / "peers" / "envoy"
PUBLISH = ROOT / "artifacts" / "publish"


@dataclass(frozen=True)
class Ports:
    upstream: int
    plain: int
    http2: int | None
    """HTTP/2 in clear, with prior knowledge. None where it is not measured: who can leave it out pays nothing for it."""
    tls: int | None
    """The same for HTTP/1.1 over TLS 1.3, with the certificate in the directory: P-256, session tickets as each program has them when nothing is said."""


@dataclass(frozen=True)
class Peer:
    name: str
    command: Callable[[Path, "Ports"], list[str]]
    """(directory for its files, ports) → the command line."""
    version: Callable[[], str]
    prepare: Callable[[], str | None] = lambda: None
    """Builds or finds the program; a text says why it is absent."""
    env: dict[str, str] = field(default_factory=dict)


def first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else "unknown"


def on_path(program: str) -> str | None:
    return None if shutil.which(program) else f"{program} is not installed (apt-get install {program})"


def publish(project: Path, output: Path, sources: list[Path]) -> str | None:
    """A ReadyToRun build, made anew only when a source is newer than it."""
    if not shutil.which("dotnet"):
        return "the .NET SDK is not on PATH"
    stamp = output / ".built"
    newest = max(f.stat().st_mtime for s in sources for f in ([s] if s.is_file() else s.rglob("*")) if f.is_file())
    if stamp.exists() and stamp.stat().st_mtime > newest:
        return None
    print(f"building {project.relative_to(ROOT)}", flush=True)
    done = subprocess.run(
        ["dotnet", "publish", str(project), "-c", "Release", "-r", "linux-x64", "--self-contained", "false",
         "-p:PublishReadyToRun=true", "-o", str(output), "-v", "q", "--nologo"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{project} does not build:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    stamp.touch()
    return None


# Measured only when asked for.
ON_REQUEST = ("yarp-inline", "malha-bare", "malha-policies")

# Sent to every peer with every request; only malha-policies asks for it.
API_KEY = "a-key-of-the-bench"


def shared_build_files() -> list[Path]:
    return [ROOT / name for name in ("Directory.Build.props", "Directory.Packages.props", "global.json")]


def make_certificate(directory: Path) -> None:
    """tls.pem, tls.key, and both in one file for HAProxy."""
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(directory / "tls.key"), "-out", str(directory / "tls.pem")],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"openssl makes no certificate:\n{done.stderr}")
    (directory / "tls-both.pem").write_text((directory / "tls.pem").read_text() + (directory / "tls.key").read_text())


def _fill(name: str, directory: Path, ports: Ports, **values) -> Path:
    return fill(name, directory / name, DIR=directory, UPSTREAM=ports.upstream, PORT=ports.plain, TLS_PORT=ports.tls, H2_PORT=ports.http2, **values)


def _nginx(directory: Path, ports: Ports) -> list[str]:
    configuration = _fill("nginx.conf", directory, ports, USER=nginx_user())
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def _haproxy(directory: Path, ports: Ports) -> list[str]:
    return ["haproxy", "-db", "-f", str(_fill("haproxy.cfg", directory, ports))]


def _caddy(directory: Path, ports: Ports) -> list[str]:
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(_fill("Caddyfile", directory, ports))]


def _envoy(directory: Path, ports: Ports) -> list[str]:
    configuration = _fill("envoy.yaml", directory, ports)
    return [str(ENVOY), "--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c", str(configuration)]


def _yarp(name: str, *arguments: str, env: dict[str, str] | None = None) -> Peer:
    project = ROOT / "bench" / "peers" / "yarp"
    return Peer(
        name,
        command=lambda directory, ports: [
            str(PUBLISH / "yarp" / "yarp"), f"http://127.0.0.1:{ports.upstream}", str(ports.plain), str(ports.http2), str(ports.tls), str(directory / "tls.pem"), str(directory / "tls.key"), *arguments],
        version=lambda: "Yarp.ReverseProxy " + _package_version("Yarp.ReverseProxy") + ", .NET " + runtime_version(),
        prepare=lambda: publish(project, PUBLISH / "yarp", [project, *shared_build_files()]),
        env=env or {})


def _package_version(package: str) -> str:
    text = (ROOT / "Directory.Packages.props").read_text()
    return text.partition(f'Include="{package}" Version="')[2].partition('"')[0]


def runtime_version() -> str:
    runtimes = first_line(["sh", "-c", "dotnet --list-runtimes | grep AspNetCore | tail -1"]).split()
    return runtimes[1] if len(runtimes) > 1 else "unknown"


def _malha(name: str, conf: str, command: str | None, arguments: str) -> Peer:
    if command is None:
        program = f"{shlex.quote(str(PUBLISH / 'malha' / 'malha'))} run {{configuration}} {arguments}"
        prepare = lambda: publish(ROOT / "src" / "Malha.Cli", PUBLISH / "malha", [ROOT / "src", *shared_build_files()])
    else:
        program = command
        prepare = lambda: None

    def line(directory: Path, ports: Ports) -> list[str]:
        configuration = _fill(conf, directory, ports)
        return shlex.split(program.format(upstream=f"http://127.0.0.1:{ports.upstream}", port=ports.plain, tls_port=ports.tls, h2_port=ports.http2, configuration=configuration))

    revision = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return Peer(
        name,
        command=line,
        version=lambda: f"{first_line(revision)}, .NET {runtime_version()}",
        prepare=prepare,
        env={"BENCH_KEY": API_KEY})


def all_peers(directory: Path, malha_command: str | None, malha_arguments: str) -> list[Peer]:
    """In the order of the tables. Those of ON_REQUEST are how a peer could be set up, not how it is."""
    caddy_home = {"GOMAXPROCS": "1", "HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    return [
        Peer("nginx", _nginx, lambda: first_line(["nginx", "-v"]), lambda: on_path("nginx")),
        Peer("haproxy", _haproxy, lambda: first_line(["haproxy", "-v"]), lambda: on_path("haproxy")),
        Peer("caddy", _caddy, lambda: "Caddy " + first_line(["caddy", "version"]), lambda: on_path("caddy"), caddy_home),
        _yarp("yarp"),
        _yarp("yarp-inline", "inline", env={"DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS": "1"}),
        Peer("envoy", _envoy, lambda: "Envoy " + first_line([str(ENVOY), "--version"]).partition("version: ")[2],
             lambda: None if ENVOY.exists() else "its program is not at ../shared/peers/envoy"),
        _malha("malha", "malha.yaml", malha_command, malha_arguments),
        _malha("malha-bare", "malha-bare.yaml", malha_command, malha_arguments),
        _malha("malha-policies", "malha-policies.yaml", malha_command, malha_arguments),
    ]
