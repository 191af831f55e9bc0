"""The arithmetic of the tenant limits: its bound holds in every window, and refunds are exact."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.coordination.gcra import MICROSECONDS, Demand, TenantState, tokens_us
from scriptgen.coordination.protocols import TenantLimits

BURST = 100
LEASE = 10**9


def demand(tokens: int, concurrent: int = 0) -> Demand:
    """Tokens alone, one a µs, in a bucket of 100."""
    return Demand(0, 0, tokens, BURST, concurrent)


@dataclass
class Passed:
    """One request that got through: when, and what it really used of its reservation."""

    at: int
    used: int


def worst_excess(history: list[Passed]) -> int:
    """By how much the fullest window of all passes burst + rate · W (rate: one token a µs)."""
    excess = -BURST
    for first in range(len(history)):
        used = 0
        for passed in history[first:]:
            used += passed.used
            excess = max(excess, used - BURST - (passed.at - history[first].at))
    return excess


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "settle"]),
        st.integers(0, 60),  # time that passes before
        st.integers(0, BURST),  # tokens
        st.integers(0, 10**6),  # which lease
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS)
def test_no_window_gets_more_than_burst_and_rate_whatever_is_refunded(
    steps: list[tuple[str, int, int, int]],
) -> None:
    state, now = TenantState(), 0
    history: list[Passed] = []
    running: list[tuple[str, Passed]] = []
    for number, (kind, pause, tokens, pick) in enumerate(steps):
        now += pause
        if kind == "reserve":
            if state.reserve(now, demand(tokens), str(number), LEASE).granted:
                history.append(Passed(now, tokens))
                running.append((str(number), history[-1]))
        elif running:
            lease_id, passed = running.pop(pick % len(running))
            passed.used = min(passed.used, tokens)
            assert state.settle(now, lease_id, passed.used)
    assert worst_excess(history) <= 0


@settings(max_examples=400, deadline=None)
@given(steps=STEPS)
def test_after_settling_the_bucket_is_as_if_only_the_real_use_had_been_charged(
    steps: list[tuple[str, int, int, int]],
) -> None:
    """The model keeps every charge for ever and pours them all again; overage is charged when it is known."""
    state, now = TenantState(), 0
    charges: list[list[int]] = []
    running: list[tuple[str, list[int]]] = []
    for number, (kind, pause, tokens, pick) in enumerate(steps):
        now += pause
        if kind == "reserve":
            level = poured(charges)
            waits = state.reserve(now, demand(tokens), str(number), LEASE)
            assert waits.tokens_us == max(0, max(level, now) + tokens - BURST - now)
            if waits.granted:
                charges.append([now, tokens])
                running.append((str(number), charges[-1]))
        elif running:
            lease_id, charge = running.pop(pick % len(running))
            state.settle(now, lease_id, tokens)
            if tokens > charge[1]:
                charges.append([now, tokens - charge[1]])
            else:
                charge[1] = tokens
        assert max(state._tokens_tat, now) == max(poured(charges), now)


def poured(charges: list[list[int]]) -> int:
    tat = 0
    for at, us in charges:
        tat = max(tat, at) + us
    return tat


def test_a_refund_of_time_that_has_drained_would_let_a_tenant_save_up_a_second_burst() -> None:
    """Protection off: a refund that only asks whether the bucket has been empty since passes the bound."""

    def run(refund: Callable[[TenantState], None]) -> list[Passed]:
        state = TenantState()
        assert state.reserve(0, demand(100), "cancelled late", LEASE).granted
        history = [Passed(0, 0)]
        assert state.reserve(90, demand(90), "x", LEASE).granted
        history.append(Passed(90, 90))
        refund(state)
        return history + [
            Passed(91, 1) for number in range(100) if state.reserve(91, demand(1), str(number), LEASE).granted
        ]

    def naive(state: TenantState) -> None:
        state._tokens_tat -= 100

    def exact(state: TenantState) -> None:
        state.settle(91, "cancelled late", 0)

    assert worst_excess(run(naive)) == 89
    assert worst_excess(run(exact)) <= 0


def offered_load(limiter: str) -> list[Passed]:
    """Two minutes of 20 requests a second, 400 tokens each, answered after 11 s, at 60,000 tokens a minute."""
    limits = TenantLimits(qps=0, tokens_per_minute=60_000, concurrent=0)
    state, level, drained, window_used, window = TenantState(), 0.0, 50.0, 0, -1
    answers: list[float] = []
    history: list[Passed] = []
    for number in range(120 * 20):
        now = 50 + number / 20  # shortly before a minute ends
        if limiter == "charge after the answer":
            while answers and answers[0] <= now:
                answers.pop(0)
                level += 400
            level, drained = max(0.0, level - (now - drained) * 1000), now
            if level >= 15_000:
                continue
            answers.append(now + 11)
        elif limiter == "fixed windows":
            if window != int(now // 60):
                window, window_used = int(now // 60), 0
            if window_used + 400 > 60_000:
                continue
            window_used += 400
        elif not state.reserve(
            int(now * MICROSECONDS), Demand.of(limits, 400), str(number), 300 * MICROSECONDS
        ).granted:
            continue
        history.append(Passed(int(now * MICROSECONDS), 400))
    return history


def most_tokens_in_a_minute(history: list[Passed]) -> int:
    return max(
        sum(passed.used for passed in history if start.at <= passed.at < start.at + 60 * MICROSECONDS)
        for start in history
    )


def test_charging_after_the_answer_or_in_fixed_windows_lets_more_through() -> None:
    bound = 15_000 + 60_000
    assert most_tokens_in_a_minute(offered_load("charge after the answer")) > 1.3 * bound
    assert most_tokens_in_a_minute(offered_load("fixed windows")) > 1.25 * bound
    ours = most_tokens_in_a_minute(offered_load("leases on GCRA"))
    assert 0.95 * bound < ours <= bound


def test_charges_are_exact_whole_microseconds() -> None:
    assert tokens_us(1000, 20_000) == 3 * MICROSECONDS
    assert tokens_us(1, 7) == 8_571_429, "rounded up: never more than the rate"
    assert tokens_us(1, 60, replicas=4) == 4 * MICROSECONDS
    assert tokens_us(0, 60) == 0


@pytest.mark.parametrize("qps", [0.1, 1, 3, 7, 8, 1000 / 7, 999.9])
def test_the_whole_burst_of_requests_passes_at_once_and_no_more(qps: float) -> None:
    limits = TenantLimits(qps=qps, tokens_per_minute=0, concurrent=0)
    state, now = TenantState(), 10**12
    burst = sum(
        state.reserve(now, Demand.of(limits, 0), str(number), LEASE).granted for number in range(1100)
    )
    assert burst == int(limits.qps_burst)


def test_the_default_burst_is_a_quarter_of_the_minute() -> None:
    limits = TenantLimits(qps=8, tokens_per_minute=20_000, concurrent=0)
    state, now = TenantState(), 10**12
    for number in range(5):
        assert state.reserve(now, Demand.of(limits, 1000), str(number), LEASE).granted
    assert state.reserve(now, Demand.of(limits, 1000), "x", LEASE).tokens_us == 3 * MICROSECONDS


def test_a_replica_that_is_alone_takes_its_share_but_lets_a_large_request_through_a_full_bucket() -> None:
    limits = TenantLimits(qps=8, tokens_per_minute=20_000, concurrent=6)
    share = Demand.of(limits, 4000, replicas=4)
    assert share.concurrent == 1
    assert share.request_us == 500_000
    assert share.tokens_us == 48 * MICROSECONDS
    state, now = TenantState(), 10**12
    assert state.reserve(now, share, "a", 1).granted
    assert state.reserve(now + 10, share, "b", 1).tokens_us == 48 * MICROSECONDS - 10


def test_repeating_a_reservation_whose_reply_was_lost_charges_once() -> None:
    state = TenantState()
    for _ in range(3):
        assert state.reserve(0, demand(60, concurrent=1), "same", LEASE).granted
    assert state.live == 1
    assert state.reserve(0, demand(50), "other", LEASE).tokens_us == 10


def test_a_refusal_changes_nothing() -> None:
    state = TenantState()
    state.reserve(0, demand(90), "a", LEASE)
    before = (state._tokens_tat, state._request_tat, state.live, len(state._log))
    for number in range(10):
        assert not state.reserve(0, demand(50), f"b{number}", LEASE).granted
    assert (state._tokens_tat, state._request_tat, state.live, len(state._log)) == before


def test_a_clock_that_is_set_back_lengthens_no_wait_and_no_lease() -> None:
    state, hour = TenantState(), 3600 * MICROSECONDS
    state.reserve(hour, demand(BURST, concurrent=1), "a", 500)
    naive = state._tokens_tat + 10 - BURST - 0
    assert naive > hour - BURST, "without the correction: an hour to wait"
    waits = state.reserve(0, demand(10, concurrent=1), "b", 500)
    assert waits.tokens_us == 10
    assert waits.concurrency_us == 500
    assert not state.settle(500, "a", 0), "the lease ended when it would have ended"


def test_a_clock_that_jumps_forwards_gives_one_burst_and_no_more() -> None:
    state, now = TenantState(), 10**12
    state.reserve(now, demand(BURST), "a", LEASE)
    now += 3600 * MICROSECONDS
    assert state.reserve(now, demand(BURST), "b", LEASE).granted
    assert state.reserve(now, demand(1), "c", LEASE).tokens_us == 1


def test_debt_is_paid_before_anything_passes() -> None:
    state = TenantState()
    state.reserve(0, demand(10), "a", LEASE)
    state.settle(0, "a", 1010)
    assert state.reserve(0, demand(1), "b", LEASE).tokens_us == 911
    assert state.reserve(911, demand(1), "b", LEASE).granted


def test_overage_is_debt_also_when_the_bucket_has_been_empty_since() -> None:
    state = TenantState()
    state.reserve(0, demand(10), "a", LEASE)
    state.reserve(1000, demand(5), "b", LEASE)
    state.settle(1000, "a", 110)
    assert state.reserve(1000, demand(0), "c", LEASE).tokens_us == 5


def test_an_endlessly_busy_tenant_keeps_a_bounded_log() -> None:
    state, chance = TenantState(), random.Random(1)
    for number in range(5000):
        now = number + 1
        waits = state.reserve(now, demand(2), str(number), LEASE)
        if waits.granted and chance.random() < 0.5:
            state.settle(now, str(number), chance.randrange(3))
    assert len(state._log) <= 1024
