"""Every statement on the way of a request seeks: its cost does not grow with sessions, turns or records."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from scriptgen.stores.sqlite import checkpoints, sessions
from scriptgen.stores.sqlite.schema import migrate

PLACE = ("tenant", "session")


@pytest.mark.parametrize(
    ("statement", "values", "seeks"),
    [
        (checkpoints._NEWEST_VERSION, PLACE, ["(tenant=? AND session=?)"]),
        (
            checkpoints._OF_REQUEST,
            (*PLACE, "r"),
            ["checkpoints_request (tenant=? AND session=? AND request_id=?)"],
        ),
        (checkpoints._PAGE, (*PLACE, 9, 9), ["(tenant=? AND session=? AND version<?)"]),
        (checkpoints._WALK, (*PLACE, 9, 9), ["(tenant=? AND session=? AND version>?)"]),
        (sessions._OLDEST_KEPT_TURN, (*PLACE, 9), ["(tenant=? AND session=?)"]),
        (
            sessions._PAGE,
            {
                "tenant": "t",
                "create_time": 1,
                "session": "s",
                "user": None,
                "category": "",
                "influencer": "",
                "limit": 9,
            },
            ["sessions_newest (tenant=? AND (create_time,session)<(?,?))"],
        ),
    ],
)
def test_a_statement_seeks_and_never_sorts(
    statement: str, values: tuple[str | int, ...] | dict[str, str | int | None], seeks: list[str]
) -> None:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [step.startswith("SEARCH") for step in plan] == [True]
    assert [step.endswith(seek) for step, seek in zip(plan, seeks, strict=True)] == [True]
