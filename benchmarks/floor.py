"""The least such a service can cost: one grpc.aio method that makes one raw aiohttp call, and nothing else.

Answers CreateSession and Generate like the real service does, so that the same load runs against both.
"""

from __future__ import annotations

import argparse
import asyncio

import aiohttp
import grpc

from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc, types_pb2


class Sessions(session_pb2_grpc.SessionServiceServicer):
    async def CreateSession(self, request: object, context: object) -> session_pb2.CreateSessionResponse:  # noqa: ARG002, N802
        return session_pb2.CreateSessionResponse(session=session_pb2.Session(session_id="ses_floor"))


class Generation(generate_pb2_grpc.GenerateServiceServicer):
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = f"{url}/chat/completions"
        self._session = session

    async def Generate(self, request: object, context: object) -> generate_pb2.GenerateResponse:  # noqa: ARG002, N802
        body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "写一段话术"}]}
        async with self._session.post(self._url, json=body) as response:
            text = await response.read()
        script = types_pb2.Script(content=f"{len(text)} bytes")
        return generate_pb2.GenerateResponse(result=generate_pb2.GenerationResult(scripts=[script]))


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
    asyncio.run(serve(parser.parse_args().url))
