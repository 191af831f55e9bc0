"""Measures what the service costs: server CPU per call and latency, by the rows of the performance budget.

`make bench` prints a table and writes JSON to benchmarks/out/; BENCH_ARGS="--only unary" takes some rows;
`--tiny` runs every row with a handful of calls, to keep the harness working (its numbers mean nothing).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import growth, load, processes
from scriptgen.app import langgraph_installed

OUT = Path(__file__).parent / "out"
CALLERS = 8

Load = Callable[..., Coroutine[Any, Any, load.Measured]]


@dataclass(slots=True)
class Row:
    """One line of the table. CPU is milliseconds of server user and system time per call."""

    name: str
    calls: int = 0
    failed: int = 0
    cpu_ms: float = 0.0
    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    first_delta_p50_ms: float = 0.0
    first_delta_p99_ms: float = 0.0
    stall_ms: float = 0.0
    budget: str = ""
    extra: dict[str, float] = field(default_factory=dict)


def measured_row(
    name: str,
    service: processes.Service,
    run: Load,
    *,
    calls: int,
    budget: str,
    callers: int = CALLERS,
    warm: int = 40,
) -> Row:
    """Warm up, then measure one load against a running service."""
    asyncio.run(run(service.target, callers=callers, calls=max(callers, min(warm, calls))))
    before = service.cpu_seconds()
    measured = asyncio.run(run(service.target, callers=callers, calls=calls))
    cpu = service.cpu_seconds() - before
    return Row(
        name=name,
        calls=measured.calls,
        failed=measured.failed,
        cpu_ms=cpu / max(measured.calls, 1) * 1000,
        per_second=measured.calls / measured.seconds,
        p50_ms=_quantile(measured.latencies, 50),
        p99_ms=_quantile(measured.latencies, 99),
        first_delta_p50_ms=_quantile(measured.first_deltas, 50),
        first_delta_p99_ms=_quantile(measured.first_deltas, 99),
        stall_ms=measured.longest_stall * 1000,
        budget=budget,
    )


def bench(only: str, *, tiny: bool) -> list[Row]:
    rows: list[Row] = []

    def wanted(name: str) -> bool:
        return only in name

    def size(calls: int) -> int:
        return CALLERS * 2 if tiny else calls

    engines = [("sequential", "≤ 4.0, aim 2.5", "")]
    if langgraph_installed():
        engines.append(("langgraph", "≤ 6.0, aim 4.0", "≤ 7.0, aim 4.5"))
    with processes.upstream() as url:
        if wanted("floor"):
            with processes.floor(url) as service:
                budget = "the least: bare grpc.aio and one raw upstream call"
                rows.append(measured_row("floor", service, load.unary, calls=size(1200), budget=budget))
        for engine, unary_budget, stream_budget in engines:
            names = [f"unary {engine}", f"stream-62 {engine}", f"first-delta {engine}"]
            if not any(map(wanted, names)):
                continue
            with processes.service(VLLM_BASE_URL=url, VLLM_MODEL="bench", WORKFLOW_ENGINE=engine) as service:
                if wanted(names[0]):
                    row = measured_row(names[0], service, load.unary, calls=size(1200), budget=unary_budget)
                    row.extra["start_s"] = service.start_seconds
                    rows.append(row)
                if wanted(names[1]):
                    rows.append(
                        measured_row(names[1], service, load.streaming, calls=size(800), budget=stream_budget)
                    )
                if wanted(names[2]):
                    rows.append(
                        measured_row(
                            names[2],
                            service,
                            load.streaming,
                            calls=20 if tiny else 200,
                            callers=1,
                            budget="first delta p50 ≤ 12 / p99 ≤ 30",
                        )
                    )
                rows[-1].extra["rss_mb"] = service.resident_megabytes()
    rows += _paced(wanted, tiny=tiny)
    rows += _growth(wanted, tiny=tiny)
    rows += _stored_growth(wanted, tiny=tiny)
    return rows


def _paced(wanted: Callable[[str], bool], *, tiny: bool) -> list[Row]:
    rows: list[Row] = []
    if not wanted("paced"):
        return rows
    calls = 8 if tiny else 160
    with (
        processes.upstream(pace_ms=20) as url,
        processes.floor(url) as floor,
        processes.service(VLLM_BASE_URL=url, VLLM_MODEL="bench") as one,
    ):
        budget = "the least: every word passed on as it comes"
        rows.append(measured_row("paced floor", floor, load.streaming, calls=calls, budget=budget, warm=8))
        rows.append(
            measured_row(
                "paced 20 ms",
                one,
                load.streaming,
                calls=calls,
                budget="≤ 10, aim 7",
                warm=8,
            )
        )
        streams = 16 if tiny else 256
        rows.append(
            measured_row(
                f"paced {streams} streams",
                one,
                load.streaming,
                calls=streams,
                callers=streams,
                budget="no stall > 100 ms",
                warm=streams,
            )
        )
    return rows


def _growth(wanted: Callable[[str], bool], *, tiny: bool) -> list[Row]:
    """CPU per call with little and with much stored."""
    rows: list[Row] = []
    if not wanted("growth memory"):
        return rows
    calls, many_turns, many_sessions = (16, 12, 50) if tiny else (400, 500, 20_000)
    with processes.service(LLM_PRIMARY_BACKEND="template", SESSION_MAX_TURNS="1000") as service:
        for name, prepare in (
            ("growth memory: fresh", {}),
            (f"growth memory: {many_sessions} sessions", {"sessions": many_sessions}),
        ):
            asyncio.run(load.fill(service.target, **prepare))
            rows.append(measured_row(name, service, load.unary, calls=calls, budget="within 10 %"))
        per_caller = many_turns // CALLERS * CALLERS
        row = measured_row(
            f"growth memory: {per_caller} turns each",
            service,
            load.unary,
            calls=per_caller * (1 if tiny else CALLERS),
            budget="within 10 %",
        )
        row.extra["rss_mb"] = service.resident_megabytes()
        rows.append(row)
    return rows


def _stored_growth(wanted: Callable[[str], bool], *, tiny: bool) -> list[Row]:
    rows: list[Row] = []
    for backend in ("sqlite", "redis"):
        if not wanted(f"growth {backend}"):
            continue
        for little, much in growth.compare(backend, tiny=tiny):
            for side in (little, much):
                measured = side.measured
                rows.append(
                    Row(
                        name=f"growth {backend}: {side.name}",
                        calls=measured.calls,
                        failed=measured.failed,
                        cpu_ms=side.cpu_ms,
                        per_second=measured.calls / measured.seconds,
                        p50_ms=_quantile(measured.latencies, 50),
                        p99_ms=_quantile(measured.latencies, 99),
                        budget="within 10 %",
                    )
                )
            rows[-1].extra["ratio"] = much.cpu_ms / little.cpu_ms
    return rows


def table(rows: list[Row]) -> str:
    head = (
        f"{'row':<34}{'calls':>7}{'fail':>6}{'CPU ms':>9}{'/s':>8}{'p50':>8}{'p99':>8}"
        f"{'first50':>9}{'first99':>9}{'stall':>8}  budget"
    )
    lines = [head]
    for row in rows:
        extra = "  ".join(f"{name}={value:.2f}" for name, value in row.extra.items())
        lines.append(
            f"{row.name:<34}{row.calls:>7}{row.failed:>6}{row.cpu_ms:>9.2f}{row.per_second:>8.0f}"
            f"{row.p50_ms:>8.1f}{row.p99_ms:>8.1f}{row.first_delta_p50_ms:>9.1f}{row.first_delta_p99_ms:>9.1f}"
            f"{row.stall_ms:>8.0f}  {row.budget}  {extra}"
        )
    return "\n".join(lines)


def _quantile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    rows = bench(arguments.only, tiny=arguments.tiny)
    print(table(rows))
    OUT.mkdir(exist_ok=True)
    name = "tiny" if arguments.tiny else time.strftime("%Y%m%d-%H%M%S")
    path = OUT / f"bench-{name}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(f"\nwritten: {path.relative_to(Path.cwd())}")
    return 1 if any(row.failed or not row.calls for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
