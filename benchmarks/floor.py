"""The least such a service can cost: a grpc.aio method that makes one raw aiohttp call, and nothing else.

Answers CreateSession, Generate and GenerateStream like the real service does, so that the same load runs
against both. The stream passes on what it reads, as it comes.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

import aiohttp
import grpc
import uvloop

from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc, types_pb2

_BODY = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "写一段话术"}]}


class Sessions(session_pb2_grpc.SessionServiceServicer):
    async def CreateSession(self, request: object, context: object) -> session_pb2.CreateSessionResponse:  # noqa: ARG002, N802
        return session_pb2.CreateSessionResponse(session=session_pb2.Session(session_id="ses_floor"))


class Generation(generate_pb2_grpc.GenerateServiceServicer):
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = f"{url}/chat/completions"
        self._session = session

    async def Generate(self, request: object, context: object) -> generate_pb2.GenerateResponse:  # noqa: ARG002, N802
        async with self._session.post(self._url, json=_BODY) as response:
            text = await response.read()
        script = types_pb2.Script(content=f"{len(text)} bytes")
        return generate_pb2.GenerateResponse(result=generate_pb2.GenerationResult(scripts=[script]))

    async def GenerateStream(  # noqa: N802
        self,
        request: object,  # noqa: ARG002
        context: object,  # noqa: ARG002
    ) -> AsyncIterator[generate_pb2.GenerateStreamResponse]:
        sequence = 0
        async with self._session.post(self._url, json=_BODY) as response:
            async for read in response.content.iter_any():
                sequence += 1
                delta = generate_pb2.ScriptDelta(text=str(len(read)))
                yield generate_pb2.GenerateStreamResponse(sequence=sequence, delta=delta)
        result = generate_pb2.GenerationResult()
        yield generate_pb2.GenerateStreamResponse(sequence=sequence + 1, result=result)


async def serve(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        server = grpc.aio.server()
        session_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(), server)  # type: ignore[abstract]
        generation = Generation(url, session)  # type: ignore[abstract]
        generate_pb2_grpc.add_GenerateServiceServicer_to_server(generation, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"floor serving grpc=127.0.0.1:{port}", flush=True)
        await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    uvloop.run(serve(parser.parse_args().url))
