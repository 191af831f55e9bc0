"""The breaker against a clock of its own: its rules by example, then any sequence of calls by hypothesis."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scriptgen.llm.breaker import Breaker, BreakerSettings, BreakerState, Permit

RULES = BreakerSettings(
    fault_threshold=3, open_seconds=5.0, max_open_seconds=20.0, probes=1, slow_start_calls=4
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(rules: BreakerSettings = RULES) -> tuple[Breaker, Clock, list[str]]:
    clock, seen = Clock(), list[str]()
    return Breaker(rules, clock, lambda state: seen.append(state.value)), clock, seen


def permit(subject: Breaker) -> Permit:
    got = subject.admit()
    assert got is not None
    return got


def state(subject: Breaker) -> BreakerState:
    return subject.state  # through a call, so that a type checker does not remember the last answer


def fail(subject: Breaker, times: int = 1) -> None:
    for _ in range(times):
        permit(subject).failed()


def test_faults_in_a_row_open_it_and_a_success_between_does_not() -> None:
    subject, _, _ = breaker()
    fail(subject, 2)
    permit(subject).succeeded()
    fail(subject, 2)
    assert state(subject) is BreakerState.CLOSED
    fail(subject)
    assert state(subject) is BreakerState.OPEN
    assert subject.admit() is None


def test_after_its_time_one_probe_may_go() -> None:
    subject, clock, _ = breaker()
    fail(subject, 3)
    assert subject.seconds_until_probe == 5.0
    clock.now += 4.99
    assert subject.admit() is None
    clock.now += 0.02
    assert state(subject) is BreakerState.HALF_OPEN
    probe = permit(subject)
    assert subject.admit() is None
    probe.succeeded()
    assert state(subject) is BreakerState.CLOSED


def test_a_probe_without_a_verdict_makes_room_for_the_next() -> None:
    subject, clock, _ = breaker()
    fail(subject, 3)
    clock.now += 5
    permit(subject).abandoned()
    assert state(subject) is BreakerState.HALF_OPEN
    permit(subject).succeeded()
    assert state(subject) is BreakerState.CLOSED


def test_failed_probes_wait_longer_each_time_up_to_a_bound() -> None:
    subject, clock, _ = breaker()
    fail(subject, 3)
    waits = []
    for _ in range(4):
        waits.append(subject.seconds_until_probe)
        clock.now += subject.seconds_until_probe
        fail(subject)
    assert waits == [5.0, 10.0, 20.0, 20.0]


def test_it_starts_slowly_and_one_fault_then_opens_it_again() -> None:
    subject, clock, _ = breaker()
    fail(subject, 3)
    clock.now += 5
    permit(subject).succeeded()
    assert subject.slow_starting
    running = [permit(subject), permit(subject)]
    assert subject.admit() is None
    running[0].succeeded()
    running += [permit(subject), permit(subject)]
    assert subject.admit() is None
    running[1].failed()
    assert state(subject) is BreakerState.OPEN


def test_slow_start_ends_and_the_waiting_time_is_short_again() -> None:
    subject, clock, _ = breaker()
    fail(subject, 3)
    clock.now += 5
    fail(subject)
    clock.now += 10
    for _ in range(4):
        permit(subject).succeeded()
    assert not subject.slow_starting
    assert all(subject.admit() for _ in range(100))
    fail(subject, 3)
    assert subject.seconds_until_probe == 5.0


def test_verdicts_from_before_the_last_change_say_nothing() -> None:
    subject, clock, _ = breaker()
    old = [permit(subject) for _ in range(20)]
    fail(subject, 3)
    clock.now += 5
    permit(subject).succeeded()
    for late in old:
        late.failed()
    assert state(subject) is BreakerState.CLOSED


def test_retry_after_holds_it_open_longer_but_not_for_ever() -> None:
    for asked, held in ((2.0, 5.0), (12.0, 12.0), (9999.0, 20.0)):
        subject, _, _ = breaker()
        fail(subject, 2)
        permit(subject).failed(asked)
        assert subject.seconds_until_probe == held


def test_every_change_is_told_once() -> None:
    subject, clock, seen = breaker()
    fail(subject, 3)
    clock.now += 5
    _ = subject.state, subject.state
    permit(subject).succeeded()
    assert seen == ["open", "half_open", "closed"]


def test_more_probes_must_all_succeed() -> None:
    subject, clock, _ = breaker(BreakerSettings(fault_threshold=1, probes=3))
    fail(subject)
    clock.now += 5
    probes = [permit(subject) for _ in range(3)]
    assert subject.admit() is None
    for probe in probes:
        assert state(subject) is BreakerState.HALF_OPEN
        probe.succeeded()
    assert state(subject) is BreakerState.CLOSED


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, verdicts and time. The model keeps only what an observer outside can know."""

    def __init__(self) -> None:
        super().__init__()
        self.subject, self.clock, self.seen = breaker()
        self.running: list[tuple[Permit, int]] = []
        self.faults = 0

    @property
    def current(self) -> list[Permit]:
        """Permits that were given since the last change of state."""
        return [permit for permit, epoch in self.running if epoch == len(self.seen)]

    @rule()
    def call(self) -> None:
        state = self.subject.state
        slow = self.subject.slow_starting
        before = len(self.current)
        got = self.subject.admit()
        if state is BreakerState.OPEN:
            assert got is None
        elif state is BreakerState.HALF_OPEN:
            assert (got is not None) is (before < RULES.probes)
        elif not slow:
            assert got is not None
        else:
            assert got is not None or before >= 2 * RULES.probes
        if got is not None:
            self.running.append((got, len(self.seen)))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), verdict=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        index = data.draw(st.integers(0, len(self.running) - 1))
        given, epoch = self.running.pop(index)
        before = self.subject.state  # may turn half open by this look
        careful = before is BreakerState.HALF_OPEN or self.subject.slow_starting
        stale = epoch != len(self.seen)
        getattr(given, verdict)()
        given.failed()  # a second verdict never counts
        after = self.subject.state
        if stale or verdict == "abandoned":
            assert after is before
        elif verdict == "succeeded":
            self.faults = 0
            assert after is (BreakerState.CLOSED if before is BreakerState.HALF_OPEN else before)
        else:
            self.faults += 1
            opened = careful or self.faults >= RULES.fault_threshold
            assert after is (BreakerState.OPEN if opened else BreakerState.CLOSED)
        if after is not before:
            self.faults = 0

    @rule(seconds=st.floats(0, 25))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def wait_until_the_probe(self) -> None:
        self.clock.now += self.subject.seconds_until_probe + 0.001
        assert self.subject.state is not BreakerState.OPEN

    @invariant()
    def open_times_are_bounded(self) -> None:
        assert 0 <= self.subject.seconds_until_probe <= RULES.max_open_seconds + 1e-9

    @invariant()
    def changes_follow_the_drawing(self) -> None:
        allowed = {
            ("closed", "open"),
            ("open", "half_open"),
            ("half_open", "open"),
            ("half_open", "closed"),
        }
        assert set(zip(["closed", *self.seen], self.seen, strict=False)) <= allowed


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
