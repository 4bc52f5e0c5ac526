#!/usr/bin/env python3
"""Lets a real Prometheus scrape a real herd, and promtool judge what it scrapes.

    python3 tests/prometheus.py target/release/server target/release/loadgen

Needs `prometheus` and `promtool` (Debian: apt-get install prometheus).
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

NAMES = ["Bailey", "Bona", "Campbell", "Clark", "Jaquez"]
LINKS = [("Clark", "Jaquez"), ("Clark", "Bona"), ("Campbell", "Bailey"), ("Campbell", "Bona"),
         ("Campbell", "Jaquez"), ("Bona", "Bailey")]
PATIENCE = 60


def free_ports(count, first=21000, last=32000):
    """Ports in a row that nobody listens at, below those of outgoing connections."""
    for start in range(first, last, count):
        sockets = []
        try:
            for port in range(start, start + count):
                listener = socket.socket()
                sockets.append(listener)
                listener.bind(("127.0.0.1", port))
            return list(range(start, start + count))
        except OSError:
            continue
        finally:
            for listener in sockets:
                listener.close()
    raise SystemExit("no free ports")


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def until(what, condition):
    """Waits until something is so, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            result = condition()
            if result:
                return result
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit(f"not in time: {what}")


def tell(port, commands):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(commands)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


def check_page(name, page):
    """promtool is content with a page that is there, and with an empty one, so look at it too."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True)
    assert checked.returncode == 0, f"{name}: {checked.stdout}{checked.stderr}"
    assert len(re.findall(r"^# TYPE herd_", page, re.M)) >= 25, f"{name}: too few metrics"
    for metric in ["herd_propagation_latency_seconds", "herd_request_duration_seconds"]:
        assert f"# TYPE {metric} histogram\n" in page, f"{name}: {metric} is no histogram"


def check_load(loadgen, herd):
    """The load generator's own page, while it loads the herd."""
    command = [loadgen, "--herd", herd, "--clients", "50", "--duration", "1h", "--metrics", "0"]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        url = next(line.split()[-1] for line in load.stderr if line.startswith("metrics at "))
        seen = 'loadgen_replies_total{operation="iamat",server="Clark"} '
        page = until("Clark is loaded", lambda: (page := get(url)) * (f"{seen}0\n" not in page))
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True)
        assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}"
        assert seen in page and len(re.findall(r"^# TYPE loadgen_", page, re.M)) >= 15, page
        print("promtool: the load generator's metrics are clean")
    finally:
        load.kill()
        load.wait()


def main():
    server, loadgen = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ports = free_ports(3 * len(NAMES) + 1)
        scraper = ports.pop()
        at = {name: ports[3 * place:3 * place + 3] for place, name in enumerate(NAMES)}
        herd = "links = [" + ", ".join(f'["{a}", "{b}"]' for a, b in LINKS) + "]\n"
        for name, (clients, peers, metrics) in at.items():
            herd += f'[servers.{name}]\nclients = "127.0.0.1:{clients}"\npeers = "127.0.0.1:{peers}"\n'
            herd += f'metrics = "127.0.0.1:{metrics}"\n'
        (folder / "herd.toml").write_text(herd)
        targets = ", ".join(f"'127.0.0.1:{metrics}'" for _, _, metrics in at.values())
        config = folder / "prometheus.yml"
        config.write_text(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n"
            f"  - job_name: herd\n    static_configs:\n      - targets: [{targets}]\n"
        )
        subprocess.run(["promtool", "check", "config", config], check=True, stdout=subprocess.DEVNULL)
        with open(folder / "words", "w") as words:
            herd = subprocess.Popen([server, "--all", "--herd", folder / "herd.toml", "--places-url", "mock",
                                     "--log-dir", folder / "logs"], stdout=words, stderr=words)
            prometheus = subprocess.Popen(["prometheus", f"--config.file={config}",
                                           f"--storage.tsdb.path={folder / 'data'}",
                                           f"--web.listen-address=127.0.0.1:{scraper}"], stdout=words, stderr=words)
            try:
                watch(at, scraper)
                check_load(loadgen, folder / "herd.toml")
            finally:
                prometheus.terminate()
                prometheus.wait()
                herd.terminate()
                assert herd.wait() == 0, "the herd ends with 0"


def watch(at, scraper):
    for name, (_, _, metrics) in at.items():
        until(f"{name} is ready", lambda: get(f"http://127.0.0.1:{metrics}/readyz") == "ready\n")
    for number, (clients, _, _) in enumerate(at.values()):
        tell(clients, f"IAMAT c{number} +1-1 1\nWHATSAT c{number} 10 5\nnonsense\n".encode())
    for name, (_, _, metrics) in at.items():
        check_page(name, get(f"http://127.0.0.1:{metrics}/metrics"))
    print(f"promtool: the metrics of {len(at)} servers are clean")

    def query(expression):
        answer = get(f"http://127.0.0.1:{scraper}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        result = json.loads(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    until("all five are up", lambda: query("sum(up)") == len(at))
    for expression, expected in [
        ("sum(herd_build_info)", 5),
        ('sum(herd_messages_received_total{kind="iamat"})', 5),
        ('sum(herd_messages_received_total{kind="whatsat"})', 5),
        ('sum(herd_invalid_messages_total{reason="command"})', 5),
        ("sum(herd_peer_link_up)", 12),
        ("min(herd_known_clients)", 5),
        ("sum(herd_propagation_latency_seconds_count)", 20),
        ('sum(herd_places_requests_total{outcome="ok"})', 5),
    ]:
        until(f"{expression} is {expected}", lambda: query(expression) == expected)
        print(f"prometheus: {expression} = {expected}")
    quantile = "histogram_quantile(0.99, sum by (le) (herd_propagation_latency_seconds_bucket))"
    assert 0 < until(quantile, lambda: query(quantile)) < 10
    print("prometheus: the herd was scraped by a real Prometheus")


if __name__ == "__main__":
    main()
