"""Records changed behind the store's back are never handed out as good, and stay visible for verification."""

from __future__ import annotations

import pytest

from scriptgen.domain.errors import DataLossError

from .backends import Backend
from .samples import KEY, chain


@pytest.fixture(params=["state", "header"])
def part(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_a_changed_record_is_data_loss_wherever_it_is_read(backend: Backend, part: str) -> None:
    for version, each in enumerate(chain(3)):
        await backend.checkpoints.append(each, version)
    await backend.corrupt(KEY, 3, part)
    for read in (
        backend.checkpoints.latest(KEY),
        backend.checkpoints.get(KEY, 3),
        backend.checkpoints.find_request(KEY, "request-3"),
        backend.checkpoints.open(KEY, None),
        backend.other.checkpoints.open(KEY, "request-1"),
    ):
        with pytest.raises(DataLossError) as caught:
            await read
        assert caught.value.metadata == {"version": "3"}
        assert KEY.tenant_id not in caught.value.message
    assert (await backend.checkpoints.get(KEY, 2)) == chain(3)[1]


async def test_a_changed_record_of_the_request_is_data_loss_on_open(backend: Backend, part: str) -> None:
    for version, each in enumerate(chain(3)):
        await backend.checkpoints.append(each, version)
    await backend.corrupt(KEY, 2, part)
    with pytest.raises(DataLossError):
        await backend.checkpoints.open(KEY, "request-2")


async def test_walks_and_listings_still_show_a_changed_record(backend: Backend, part: str) -> None:
    records = chain(3)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    await backend.corrupt(KEY, 2, part)
    walked = [each async for each in backend.checkpoints.walk(KEY)]
    assert [each.version for each in walked] == [1, 2, 3]
    assert [each.intact() for each in walked] == [True, False, True]
    listed = await backend.checkpoints.list(KEY, page_size=10)
    assert [(header.version, checksum) for header, checksum in listed] == [
        (each.version, each.checksum) for each in reversed(records)
    ]


async def test_the_chain_of_what_was_stored_can_be_followed(backend: Backend) -> None:
    for version, each in enumerate(chain(5)):
        await backend.checkpoints.append(each, version)
    walked = [each async for each in backend.checkpoints.walk(KEY)]
    links = [each.header.prev_checksum for each in walked]
    assert links == ["0" * 64, *(each.checksum for each in walked[:-1])]
