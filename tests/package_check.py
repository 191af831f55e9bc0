"""Builds the wheel, installs it into an empty environment, serves from there and makes one call.

Run by `make package`; not collected by pytest, because it builds an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CALL = """
import sys, grpc
from scriptgen.v1 import session_pb2, session_pb2_grpc, generate_pb2, generate_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    made = session_pb2_grpc.SessionServiceStub(channel).CreateSession(
        session_pb2.CreateSessionRequest(category="美妆"), timeout=10)
    result = generate_pb2_grpc.GenerateServiceStub(channel).Generate(
        generate_pb2.GenerateRequest(session_id=made.session.session_id, query="写一段口红的开场话术"), timeout=30)
    assert result.result.scripts[0].content
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _build(folder / "dist")
        python = _install(folder)
        _serve_and_call(python, folder)
    sys.stdout.write("package: the wheel serves and answers\n")
    return 0


def _build(dist: Path) -> None:
    """With the locked build backend of this environment: nothing is fetched."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(dist),
            str(ROOT),
        ],
        check=True,
    )


def _install(folder: Path) -> Path:
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    locked = ["--require-hashes", "-r", str(ROOT / "requirements.txt")]
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *locked], check=True)
    else:
        subprocess.run([str(python), "-m", "pip", "install", "-q", *locked], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    return python


def _serve_and_call(python: Path, folder: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "GRPC_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "",
        "DRAIN_DELAY_SECONDS": "0",
    }
    command = [str(python.parent / "scriptgen"), "serve"]
    server = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        target = line.split("grpc=", 1)[1].split()[0]
        subprocess.run([str(python), "-c", CALL, target], cwd=folder, check=True, timeout=60)
    finally:
        server.terminate()
        code = server.wait(30)
    if code:
        raise SystemExit(f"the server ended with {code}")


if __name__ == "__main__":
    raise SystemExit(main())
