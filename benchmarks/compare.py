"""Two runs of the benchmark side by side: the newest in benchmarks/out/ against a given one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

OUT = Path(__file__).parent / "out"


def main() -> int:
    """Exit code 2 for a missing file. It judges nothing: the machine's noise is the reader's to know."""
    if len(sys.argv) != 2:
        print("usage: make bench-compare BASE=benchmarks/results/….json")
        return 2
    newest = max((p for p in OUT.glob("bench-*.json") if "tiny" not in p.name), default=None)
    base = Path(sys.argv[1])
    if newest is None or not base.is_file():
        print("run `make bench` first, and name an earlier run")
        return 2
    old = {row["name"]: row for row in json.loads(base.read_text())}
    print(f"{'row':<28}{'CPU ms before':>15}{'after':>9}{'ratio':>8}{'p50 before':>12}{'after':>8}")
    for row in json.loads(newest.read_text()):
        earlier = old.get(row["name"])
        if earlier is None:
            continue
        ratio = row["cpu_ms"] / earlier["cpu_ms"] if earlier["cpu_ms"] else 0.0
        print(
            f"{row['name']:<28}{earlier['cpu_ms']:>15.2f}{row['cpu_ms']:>9.2f}{ratio:>8.2f}"
            f"{earlier['p50_ms']:>12.1f}{row['p50_ms']:>8.1f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
