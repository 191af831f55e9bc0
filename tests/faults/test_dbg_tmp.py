import asyncio, pathlib
import scriptgen.workflow.relay as relay
from tests.services.live import live
from tests.upstream import *
from tests.valkey import valkey_server
from scriptgen.v1 import generate_pb2
async def test_x(tmp_path, monkeypatch):
    orig = relay.Publication._publish
    async def pub(self, channel, events, *, ended):
        try:
            r = await orig(self, channel, events, ended=ended)
        except BaseException as e:
            r = e; raise
        finally:
            print("PUB", self._run, [e.sequence for e in events], ended, repr(r))
        return r
    monkeypatch.setattr(relay.Publication, "_publish", pub)
    on = relay.Follower._next
    async def nxt(self, *a):
        p = await on(self, *a); print("READ", a[3], p.first, p.last, p.ended, p.silent_seconds, [e.sequence for e in p.events]); return p
    monkeypatch.setattr(relay.Follower, "_next", nxt)
    with valkey_server(tmp_path) as v:
        async with FakeUpstream(says(SCRIPT, pace=0.05)) as u:
            env=dict(REDIS_URL=v.url, SESSION_STORE="redis", CHECKPOINT_STORE="redis", VLLM_BASE_URL=u.url)
            async with live(**env) as a, live(**env) as b:
                s = await a.session()
                t = asyncio.create_task(a.stream(s, "写一段桃桃唇釉的产品介绍", request_id="request-1"))
                call = a.generation.GenerateStream(generate_pb2.GenerateStreamRequest(session_id=s, query="写一段桃桃唇釉的产品介绍", request_id="request-1"))
                it = aiter(call)
                for _ in range(12): await anext(it)
                call.cancel()
                print(len(await b.stream(s, "写一段桃桃唇釉的产品介绍", request_id="request-1", resume_after_sequence=12)))
                print(len(await t))
