"""Who is measured: the peers of bench/peers as they come, the same told what the service bears, and Malha."""
from dataclasses import replace
from pathlib import Path

from harness.origin import fill, nginx_user
from harness.machine import free_port
from harness.peers import ENVOY, PUBLISH, Peer, Ports, all_peers, make_certificate

CONF = Path(__file__).parent.parent / "conf"
CRITICAL_KEY = "overload-critical-7d1f"


def own(template: str, directory: Path, **values) -> Path:
    return fill(str(CONF / template), directory / template, **values)


def _nginx_told(directory: Path, upstream: int, port: int) -> list[str]:
    configuration = own("nginx-told.conf", directory, USER=nginx_user(), DIR=directory, UPSTREAM=upstream, PORT=port)
    return ["nginx", "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def _haproxy_told(directory: Path, upstream: int, port: int) -> list[str]:
    return ["haproxy", "-db", "-f", str(own("haproxy-told.cfg", directory, UPSTREAM=upstream, PORT=port))]


def _envoy_adaptive(directory: Path, upstream: int, port: int) -> list[str]:
    configuration = own("envoy-adaptive.yaml", directory, UPSTREAM=upstream, PORT=port)
    return [str(ENVOY), "--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c", str(configuration)]


def _in_clear(command):
    """The listeners besides the plain one are there and nobody asks them."""
    return lambda directory, upstream, port: command(directory, Ports(upstream, port, free_port(), free_port()))


def malha(known: Peer, name: str, template: str, **values) -> Peer:
    """Malha as bench/peers builds it, with a configuration of ours."""
    def line(directory: Path, upstream: int, port: int) -> list[str]:
        configuration = own(template, directory, UPSTREAM=upstream, PORT=port, **values)
        return [str(PUBLISH / "malha" / "malha"), "run", str(configuration)]

    return replace(known, name=name, command=line, env={"OVERLOAD_CRITICAL_KEY": CRITICAL_KEY})


def everybody(directory: Path) -> list[Peer]:
    """In the order of the table; Envoy as it comes is measured only when asked for: it does as nginx and HAProxy do."""
    make_certificate(directory)
    bare = {p.name: replace(p, command=_in_clear(p.command)) for p in all_peers(directory, None, "")}
    told = lambda name, command: replace(bare[name], name=f"{name}-{'adaptive' if name == 'envoy' else 'told'}", command=command)
    return [
        bare["nginx"],
        told("nginx", _nginx_told),
        bare["haproxy"],
        told("haproxy", _haproxy_told),
        bare["envoy"],
        told("envoy", _envoy_adaptive),
        bare["yarp"],
        malha(bare["malha"], "malha", "malha.yaml"),
        malha(bare["malha"], "malha-classes", "malha-classes.yaml"),
    ]
