"""From the generator's results to figures, a table and a file of JSON. Pure; medians over the rounds. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import platform
import statistics

COLUMNS = {
    "throughput": [("cpu_us", "µs CPU/delivery", 2), ("deliveries_per_s", "deliveries/s", 0), ("mb_per_s", "MB/s", 1)],
    "latency": [("p50_us", "p50 µs", 0), ("p99_us", "p99 µs", 0), ("max_us", "max µs", 0), ("cpu_us", "µs CPU/delivery", 2), ("undelivered", "not kept up", 0)],
    "storm": [("joins_per_s", "joins/s", 0), ("cpu_us", "µs CPU/join", 1), ("join_p99_ms", "join p99 ms", 1), ("connect_max_ms", "CONNECT worst ms", 1),
              ("failed", "failed", 0)],
    "idle": [("bytes", "bytes/connection", 0), ("idle_cpu_pct", "idle CPU %", 2)],
}


def figures(kind, result):
    """What is kept of one run."""
    if kind in ("throughput", "latency"):
        kept = {
            "cpu_us": result["server_cpu_us_per_delivery"], "deliveries_per_s": result["delivered_per_s"], "mb_per_s": result["mb_per_s"],
            "undelivered": result["undelivered"], "out_of_order": result["out_of_order"],
        }
        latency = result["latency_us"]
        return {**kept, "p50_us": latency["p50"], "p99_us": latency["p99"], "max_us": latency["max"]}
    if kind == "storm":
        kept = {
            "joins_per_s": result["opened"] / result["setup_s"], "cpu_us": result["server_cpu_us_per_handshake"], "failed": result["failed"],
            "join_p99_ms": result["join_us"]["p99"] / 1000,
        }
        return {**kept, "connect_max_ms": result["expect_us"]["max"] / 1000} if "expect_us" in result else kept
    return {"bytes": result["bytes_per_connection"], "idle_cpu_pct": result["server_idle_cpu_pct"]}


def medians(runs):
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


class Report:
    """Collects medians by scenario and server; prints a line as soon as a scenario is through."""

    def __init__(self, **context):
        self.context = {**context, "machine": platform.processor() or platform.machine(), "load_average_at_start": os.getloadavg()[0]}
        self.scenarios, self.kind = [], None

    def add(self, scenario, runs):
        """`runs`: for each server, relayd's first, the figures of its rounds, or why there are none."""
        rows = {name: medians(of) if isinstance(of, list) and of else {"failed_because": str(of)} for name, of in runs.items()}
        self.scenarios.append({"name": scenario.name, "kind": scenario.kind, "servers": rows})
        if scenario.kind != self.kind:
            self.kind = scenario.kind
            heads = "".join(f"{head:>18}" for _, head, _ in COLUMNS[self.kind])
            print(f"\n{'scenario':32} {'server':17}{heads}{'ratio':>8}", flush=True)
        own = next(iter(rows.values()))
        for name, row in rows.items():
            print(f"{scenario.name:32} {name:17}{self._cells(row)}{self._ratio(own, row)}", flush=True)

    def _cells(self, row):
        if "failed_because" in row:
            return "  " + row["failed_because"].replace("\n", " ")[:100]
        return "".join(f"{row[key]:>18,.{digits}f}" if key in row else f"{'':>18}" for key, _, digits in COLUMNS[self.kind])

    def _ratio(self, own, row):
        """The first server's figure to this one's: processor time, p99, or bytes."""
        key = {"throughput": "cpu_us", "latency": "p99_us", "storm": "cpu_us", "idle": "bytes"}[self.kind]
        return f"{own[key] / row[key]:>8.2f}" if own is not row and row.get(key) and own.get(key) else ""

    def write(self, path):
        self.context["load_average_at_end"] = os.getloadavg()[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"context": self.context, "scenarios": self.scenarios}, indent=1) + "\n")
