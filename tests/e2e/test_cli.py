"""The command line against a real server process: what an operator types, reads and gets as an exit code."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .process import ServerProcess, environment, serving

RUN_SECONDS = 60


def scriptgen(
    *arguments: str, stdin: str = "", settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scriptgen", *arguments],
        env=environment(**(settings or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("cli")
    with serving(
        CORE_RATE_LIMIT_ENABLED="false",
        SESSION_STORE="sqlite",
        CHECKPOINT_STORE="sqlite",
        SQLITE_PATH=str(folder / "scriptgen.db"),
    ) as running:
        yield running


PRODUCT = ("--influencer", "林小满", "--category", "美妆", "--product", "桃桃唇釉", "--price", "59.9元")


def generated(server: ServerProcess, *arguments: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    """The session and the whole run of a `generate` that must succeed."""
    ended = scriptgen("generate", "--target", server.grpc, *PRODUCT, *arguments)
    assert ended.returncode == 0, ended.stderr
    found = re.search(r"会话 (ses_\w+)", ended.stderr)
    assert found
    return found[1], ended


def test_generate_streams_a_script_and_prints_its_review(server: ServerProcess) -> None:
    session, ended = generated(server, "--catchphrase", "听我说", "--point", "显白", "写一段开场话术")
    assert "桃桃唇釉" in ended.stdout
    assert "· 写话术" in ended.stdout
    assert "合规审核：通过" in ended.stdout
    again = scriptgen("generate", "--target", server.grpc, "--session", session, "再来一段")
    assert again.returncode == 0
    assert session in again.stderr


def test_a_repeated_request_id_prints_the_same_script_again(server: ServerProcess) -> None:
    session, _ = generated(server, "写一段开场话术")
    arguments = ("generate", "--target", server.grpc, "--session", session, "--request-id", "order-0001")
    one, two = [scriptgen(*arguments, "写一段逼单话术") for _ in range(2)]
    assert one.returncode == two.returncode == 0

    def script(output: str) -> list[str]:
        return [line for line in output.splitlines() if not line.startswith("  ·")]

    assert script(one.stdout) == script(two.stdout)


def test_chat_over_a_pipe_goes_on_after_a_failed_turn_and_ends_with_the_input(server: ServerProcess) -> None:
    lines = ["写一段开场话术", "再来一段", "过" * 4001, "今天天气真好"]
    ended = scriptgen("chat", "--target", server.grpc, *PRODUCT, stdin="\n".join(lines) + "\n")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("· 写话术") == 2
    assert "INVALID_ARGUMENT INVALID_FIELD" in ended.stderr
    assert "query: takes at most 4000 characters" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_chat_asks_back_and_the_answer_completes_the_request(server: ServerProcess) -> None:
    ended = scriptgen("chat", "--target", server.grpc, stdin="写个逼单\n卖牛肉干的\n\n不该被读到\n")
    assert ended.returncode == 0, ended.stderr
    assert "牛肉干" in ended.stdout
    assert "不该被读到" not in ended.stdout


def test_review_judges_an_argument_and_standard_input(server: ServerProcess) -> None:
    bad = scriptgen("review", "--target", server.grpc, "--category", "美妆", "这支口红是全网最低价")
    assert bad.returncode == 1
    assert "合规审核：不通过" in bad.stdout
    assert "absolute_claim" in bad.stdout
    assert "依据" in bad.stdout
    good = scriptgen("review", "--target", server.grpc, stdin="最近天气冷，记得保暖。\n")
    assert good.returncode == 0
    assert "合规审核：通过" in good.stdout


def test_status_prints_every_component(server: ServerProcess) -> None:
    ended = scriptgen("status", "--target", server.grpc)
    assert ended.returncode == 0
    assert re.match(r"scriptgen \S+  engine \w+  up \d+s", ended.stdout)
    for part in ("session_store", "checkpoint_store", "session_lock", "rate_limiter", "llm.primary"):
        assert re.search(rf"{re.escape(part)}\s+OK", ended.stdout), part


def test_checkpoints_are_listed_shown_verified_and_exported(server: ServerProcess) -> None:
    session, ended = generated(server, "写一段开场话术")
    scriptgen("generate", "--target", server.grpc, "--session", session, "今天天气真好")
    scriptgen("generate", "--target", server.grpc, "--session", session, "开场、逼单、下播各来一段")
    target = ("--target", server.grpc, session)

    listed = scriptgen("checkpoints", "list", *target)
    assert listed.returncode == 0
    versions = [int(line.split()[0]) for line in listed.stdout.splitlines()]
    assert versions == sorted(versions, reverse=True)
    assert versions[-1] == 1
    assert "COMPLETED" in listed.stdout

    shown = json.loads(scriptgen("checkpoints", "show", *target).stdout)
    assert int(shown["version"]) == versions[0]
    first = json.loads(scriptgen("checkpoints", "show", *target, "1").stdout)
    assert int(first["version"]) == 1
    assert scriptgen("checkpoints", "show", *target, "999").returncode == 1

    verified = scriptgen("checkpoints", "verify", *target)
    assert verified.returncode == 0
    assert verified.stdout == f"valid: {len(versions)} records\n"

    exported = scriptgen("checkpoints", "export", *target)
    assert exported.returncode == 0
    records = [json.loads(line) for line in exported.stdout.splitlines()]
    assert len(records) == 4, "one for the first script, three of the batch, none for small talk"
    assert records[0]["content"] in ended.stdout
    for record in records:
        assert record["session_id"] == session
        assert record["quality"]["passed"] is True
        assert re.fullmatch(r"[0-9a-f]{64}", record["checksum"])
        assert record["time"].endswith("Z")
    assert [record["version"] for record in records] == sorted(record["version"] for record in records)


def test_a_call_that_fails_is_one_line_and_exit_code_one(server: ServerProcess) -> None:
    for arguments in (
        ("generate", "--session", "ses_absent", "写一段开场话术"),
        ("checkpoints", "list", "ses_absent"),
        ("checkpoints", "verify", "ses_absent"),
        ("checkpoints", "export", "ses_absent"),
    ):
        ended = scriptgen(*arguments, "--target", server.grpc)
        assert ended.returncode == 1
        assert ended.stderr == "NOT_FOUND SESSION_NOT_FOUND: There is no such session.\n"
        assert not ended.stdout


@pytest.mark.parametrize("command", [("status",), ("chat",), ("generate", "写一段开场话术")])
def test_nobody_at_the_address_is_one_line_and_exit_code_one(command: tuple[str, ...]) -> None:
    ended = scriptgen(*command, "--target", "127.0.0.1:9", "--timeout", "5", stdin="写一段\n")
    assert ended.returncode == 1
    assert ended.stderr.startswith(("UNAVAILABLE", "DEADLINE_EXCEEDED"))
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_ca_file_that_is_not_there_is_one_line_and_exit_code_two() -> None:
    ended = scriptgen("status", "--ca", "/nowhere/ca.pem")
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "/nowhere/ca.pem" in ended.stderr


@pytest.mark.parametrize(
    "command",
    [(), ("nonsense",), ("generate",), ("keys", "create"), ("keys",), ("status", "--timeout", "soon")],
)
def test_wrong_use_is_exit_code_two(command: tuple[str, ...]) -> None:
    ended = scriptgen(*command)
    assert ended.returncode == 2
    assert "usage:" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_config_prints_the_effective_settings_with_secrets_masked() -> None:
    ended = scriptgen("config", settings={"JWT_SECRET": "s" * 40, "LLM_API_KEY": "k" * 20})
    assert ended.returncode == 0
    printed = dict(line.split("=", 1) for line in ended.stdout.splitlines())
    assert printed["GRPC_LISTEN"] == "127.0.0.1:0"
    assert "ssss" not in ended.stdout
    assert "kkkk" not in ended.stdout
    assert "JWT_SECRET" in printed
    assert "QUALITY_MAX_RETRIES" in printed


def test_a_wrong_setting_stops_config_with_one_line() -> None:
    ended = scriptgen("config", settings={"LLM_POOL_SIZE": "zero"})
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "LLM_POOL_SIZE" in ended.stderr


def test_keys_are_made_listed_used_and_revoked_against_a_production_server(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    settings = {"API_KEYS_FILE": str(file), "API_KEY_PEPPER": "pepper of this deployment"}

    def keys(*arguments: str) -> subprocess.CompletedProcess[str]:
        return scriptgen("keys", *arguments, settings=settings)

    created = keys("create", "--tenant", "acme", "--category", "美妆", "--qps", "50")
    assert created.returncode == 0, created.stderr
    key = created.stdout.splitlines()[-1]
    assert created.stdout == f"{key}\n", "the key alone, so that a script can take it"
    assert re.fullmatch(r"sg_live_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert key not in created.stderr
    assert key.rsplit("_", 1)[1] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key_id = key.split("_")[2]

    listed = keys("list")
    assert listed.returncode == 0
    assert f"{key_id}  acme  -  usable" in listed.stdout
    assert key.rsplit("_", 1)[1] not in listed.stdout

    with serving(APP_ENV="production", **settings) as server:
        target = ("--target", server.grpc)
        denied = scriptgen("status", *target)
        assert denied.returncode == 1
        assert denied.stderr.startswith("UNAUTHENTICATED CREDENTIALS_MISSING")
        assert scriptgen("status", *target, "--api-key", key).returncode == 0
        written = scriptgen("generate", *target, "--api-key", key, *PRODUCT, "写一段开场话术")
        assert written.returncode == 0, written.stderr
        other = scriptgen("generate", *target, "--api-key", key, "--category", "食品", "写一段开场话术")
        assert other.returncode == 1
        assert other.stderr.startswith("PERMISSION_DENIED CATEGORY_NOT_ALLOWED")

        revoked = keys("revoke", key_id)
        assert (revoked.returncode, revoked.stdout) == (0, f"revoked {key_id}\n")
        until = time.monotonic() + 10  # the server looks at the file once a second
        while (ended := scriptgen("status", *target, "--api-key", key)).returncode == 0:
            assert time.monotonic() < until, "a revoked key still works"
        assert ended.returncode == 1
        assert ended.stderr.startswith("UNAUTHENTICATED API_KEY_INVALID")
        assert server.terminate() == 0
    assert f"{key_id}  acme  -  revoked or expired" in keys("list").stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("create", "--tenant", "not a tenant"), "tenant"),
        (("create", "--tenant", "acme", "--qps", "-1"), "limit"),
        (("create", "--tenant", "acme", "--expires-days", "-1"), "lives"),
        (("revoke", "000000000000"), "000000000000"),
    ],
)
def test_a_key_that_cannot_be_is_one_line_and_exit_code_two(
    tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    ended = scriptgen("keys", *arguments, "--file", str(tmp_path / "keys.json"))
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert named in ended.stderr


def test_keys_without_a_file_say_what_is_missing() -> None:
    ended = scriptgen("keys", "create", "--tenant", "acme")
    assert ended.returncode == 2
    assert "API_KEYS_FILE" in ended.stderr


def test_serve_with_a_key_file_that_is_not_there_stops_with_one_line(tmp_path: Path) -> None:
    settings = {"APP_ENV": "production", "API_KEYS_FILE": str(tmp_path / "keys.json")}
    ended = scriptgen("serve", settings=settings)
    assert ended.returncode == 2
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "API_KEYS_FILE" in ended.stderr


def test_a_port_that_is_taken_stops_the_start_with_one_line(server: ServerProcess) -> None:
    ended = scriptgen("serve", settings={"GRPC_LISTEN": server.grpc})
    assert ended.returncode == 2
    assert "GRPC_LISTEN" in ended.stderr.strip().splitlines()[-1]
    assert "Traceback" not in ended.stderr
    taken = scriptgen("serve", settings={"METRICS_LISTEN": server.metrics})
    assert taken.returncode == 2
    assert "METRICS_LISTEN" in taken.stderr.strip().splitlines()[-1]
    assert "Traceback" not in taken.stderr
