"""When the garbage collector looks for cycles: around the start of a service not at all."""

from __future__ import annotations

import subprocess
import sys


def printed_by(script: str) -> list[str]:
    """In a process of its own: the collector belongs to all of it."""
    command = [sys.executable, "-c", f"import gc\nfrom scriptgen.collector import building\n{script}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_what_the_start_makes_is_never_looked_through() -> None:
    script = (
        "with building():\n"
        "    print(gc.isenabled())\n"
        "    made = [[] for _ in range(1000)]\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 1000, gc.get_threshold()[0] > 700)\n"
    )
    assert printed_by(script) == ["False", "True", "True", "True"]


def test_a_start_that_fails_leaves_the_collector_as_it_was() -> None:
    script = (
        "before = gc.get_threshold()\n"
        "try:\n"
        "    with building():\n"
        "        raise OSError\n"
        "except OSError:\n"
        "    print(gc.isenabled(), gc.get_freeze_count() == 0, gc.get_threshold() == before)\n"
    )
    assert printed_by(script) == ["True", "True", "True"]
