from __future__ import annotations

import multiprocessing
import os
import re
import stat
from pathlib import Path

import pytest

from scriptgen.domain.errors import UnauthenticatedError
from scriptgen.rpc.auth import api_keys, key_file
from scriptgen.rpc.auth.api_keys import ApiKeys
from scriptgen.rpc.auth.key_file import KeyFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keys.json"


def reason_of(keys: ApiKeys, key: str) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        keys.verify(key)
    return f"{caught.value.reason}: {caught.value.message}"


def test_a_key_stands_for_its_tenant_and_rights(path: Path) -> None:
    key, record = KeyFile(path).create(
        tenant="t1",
        role="admin",
        env="test",
        allowed_categories=("美妆",),
        allowed_skills=("generate",),
        qps=1.5,
        tokens_per_minute=100,
        concurrent_generations=2,
    )
    assert re.fullmatch(rf"sg_test_{record.key_id}_[0-9a-f]{{64}}", key)
    principal = ApiKeys(path).verify(key)
    assert (principal.tenant_id, principal.role, principal.key_id) == ("t1", "admin", record.key_id)
    assert principal.may_write_for("美妆")
    assert not principal.may_write_for("食品")
    assert principal.may_use("generate")
    assert not principal.may_use("translate")
    assert (principal.qps, principal.tokens_per_minute, principal.concurrent_generations) == (1.5, 100, 2)


def test_the_file_holds_no_secret_and_is_for_its_owner_only(path: Path) -> None:
    old_mask = os.umask(0)
    try:
        key, _ = KeyFile(path).create(tenant="t1")
    finally:
        os.umask(old_mask)
    assert key.rpartition("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(".keys.json.")] == [
        ".keys.json.lock"
    ]


def test_every_flaw_of_a_key_gets_the_same_answer(path: Path) -> None:
    now = [1000.0]
    file = KeyFile(path, now=lambda: now[0])
    good, _ = file.create(tenant="t1")
    expiring, _ = file.create(tenant="t1", expires_in_seconds=60)
    revoked, record = file.create(tenant="t1")
    file.revoke(record.key_id)
    keys = ApiKeys(path, now=lambda: now[0])
    keys.verify(expiring)
    now[0] += 61
    prefix, secret = good.rsplit("_", 1)
    flaws = [
        "",
        "sg",
        "sg_live__",
        "sg_live_000000000000_" + secret,
        f"{prefix}_{secret[:-1]}x",
        f"{prefix}_",
        good.replace("sg_", "xx_", 1),
        good + "0",
        expiring,
        revoked,
        "密钥" * 100,
    ]
    assert {reason_of(keys, flaw) for flaw in flaws} == {"API_KEY_INVALID: The API key is not valid."}
    keys.verify(good)


def test_an_unknown_id_costs_the_same_hash_as_a_known_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = KeyFile(path).create(tenant="t1")
    keys = ApiKeys(path)
    hashed: list[str] = []
    real = key_file.hash_secret

    def counting(secret: str, salt: str, pepper: str) -> str:
        hashed.append(salt)
        return real(secret, salt, pepper)

    monkeypatch.setattr(api_keys, "hash_secret", counting)
    keys.verify(key)
    reason_of(keys, "sg_live_000000000000_" + "0" * 64)
    assert len(hashed) == 2
    assert len(hashed[0]) == len(hashed[1])


def test_the_decoy_itself_opens_nothing(path: Path) -> None:
    KeyFile(path).create(tenant="t1")
    keys = ApiKeys(path)
    assert "API_KEY_INVALID" in reason_of(keys, "sg_live__" + "0" * 64)


def test_without_the_pepper_the_file_verifies_nothing(path: Path) -> None:
    key, _ = KeyFile(path, pepper="pepper").create(tenant="t1")
    ApiKeys(path, pepper="pepper").verify(key)
    assert "API_KEY_INVALID" in reason_of(ApiKeys(path), key)


def test_a_broken_version_of_the_file_is_passed_over_until_it_is_good_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key, _ = KeyFile(path).create(tenant="t1")
    good = path.read_bytes()
    keys = ApiKeys(path, check_seconds=0)
    for bad in (b"{", b'{"version": 9}', b'{"keys": [{"key_id": 1}]}'):
        path.write_bytes(bad)
        assert keys.verify(key).tenant_id == "t1"
        assert keys.verify(key).tenant_id == "t1"
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3, "once for each bad version"
    path.write_bytes(good)
    second, _ = KeyFile(path).create(tenant="t2")
    assert keys.verify(second).tenant_id == "t2"
    path.unlink()
    assert keys.verify(second).tenant_id == "t2"


def test_the_file_is_looked_at_no_more_than_asked_for(path: Path) -> None:
    file = KeyFile(path)
    key, record = file.create(tenant="t1")
    keys = ApiKeys(path, check_seconds=3600)
    file.revoke(record.key_id)
    assert keys.verify(key).tenant_id == "t1"


def test_a_missing_or_broken_file_stops_the_start(path: Path) -> None:
    with pytest.raises(OSError, match="keys"):
        ApiKeys(path)
    path.parent.mkdir()
    path.write_text("no json")
    with pytest.raises(ValueError):
        ApiKeys(path)


def test_keys_are_listed_and_revoked_by_id(path: Path) -> None:
    file = KeyFile(path)
    assert file.list() == ()
    _, first = file.create(tenant="t1", note="phone")
    _, second = file.create(tenant="t2")
    assert file.list() == (first, second)
    ended = file.revoke(first.key_id)
    assert ended.revoked_at is not None
    assert file.revoke(first.key_id) == ended
    assert file.list() == (ended, second)
    with pytest.raises(KeyError):
        file.revoke("nothing")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": ""},
        {"tenant": "a b"},
        {"tenant": "a}"},
        {"tenant": "t" * 65},
        {"tenant": "t", "env": "a_b"},
        {"tenant": "t", "qps": -1.0},
        {"tenant": "t", "expires_in_seconds": 0},
    ],
)
def test_a_key_that_could_not_work_is_not_made(path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        KeyFile(path).create(**wrong)  # type: ignore[arg-type]
    assert not path.exists()


def _create_five(path: Path, tenant: str) -> None:
    for _ in range(5):
        KeyFile(path).create(tenant=tenant)


def test_processes_that_create_keys_at_once_lose_none(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_create_five, args=(path, f"t{number}")) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    assert len(KeyFile(path).list()) == 15
