"""The arithmetic of tenant limits: leases on the generic cell rate algorithm (ITU-T I.371), in whole µs.

The reference for `lua/limit_reserve.lua` and `lua/limit_settle.lua`, which do the same line by line, and the
state of the local limiter. Pure: no clock, no I/O, no errors for callers.

A bucket is one number: the theoretical arrival time (TAT), at which it will be empty again. A reservation
of `charge` µs moves it to max(TAT, now) + charge and is refused when that lies more than `burst` after now.
So in any window W at most burst + rate · W passes.

A refund must give back what would be there had only the actual use been charged, no more: the time since the
reservation has already drained some of the charge, and giving that back again would let a tenant save up more
than a burst. So the charges of the running busy period are kept in a log, and a refund moves TAT to
max(TAT - refund, the TAT of the later charges alone). Once TAT has been passed, earlier charges left no
trace: the log starts anew and their refund is nothing.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass

import msgspec

from scriptgen.coordination.protocols import TenantLimits

MICROSECONDS = 1_000_000
# Longer busy periods forget their oldest charges: those leases get no refund any more.
LOG_LIMIT = 1024
# Nobody can know when a running generation ends; this is when to ask again.
CONCURRENCY_RETRY_US = 1_000_000


def tokens_us(tokens: int, per_minute: int, replicas: int = 1) -> int:
    """What `tokens` cost of the minute's time, rounded up; one of `replicas` owns that part of the rate."""
    return -(-tokens * replicas * 60 * MICROSECONDS // per_minute)


class Demand(msgspec.Struct, frozen=True):
    """One request against a tenant's limits, all in µs; a burst or a `concurrent` of 0 turns a limit off."""

    request_us: int
    request_burst_us: int
    tokens_us: int
    tokens_burst_us: int
    concurrent: int

    @classmethod
    def of(cls, limits: TenantLimits, tokens: int, *, replicas: int = 1) -> Demand:
        """With `replicas` > 1 it is one replica's share. The share's burst is stretched to one request, which
        then needs a full bucket: what fits the tenant's limits must be able to pass.
        """
        request = request_burst = tokens_charge = tokens_burst = concurrent = 0
        if limits.qps > 0:
            request = math.ceil(replicas * MICROSECONDS / limits.qps)
            request_burst = max(math.floor(request * limits.qps_burst / replicas), request)
        if limits.tokens_per_minute > 0:
            rate = limits.tokens_per_minute
            tokens_charge = tokens_us(tokens, rate, replicas)
            tokens_burst = math.floor(limits.token_burst * 60 * MICROSECONDS / rate)
            if replicas > 1:
                tokens_burst = max(tokens_burst, tokens_charge)
        if limits.concurrent > 0:
            concurrent = max(1, limits.concurrent // replicas)
        return cls(request, request_burst, tokens_charge, tokens_burst, concurrent)

    @property
    def unlimited(self) -> bool:
        return not (self.request_burst_us or self.tokens_burst_us or self.concurrent)


class Waits(msgspec.Struct, frozen=True):
    """µs until each limit would let the request pass; all 0: it passed."""

    request_us: int = 0
    tokens_us: int = 0
    concurrency_us: int = 0

    @property
    def granted(self) -> bool:
        return not (self.request_us or self.tokens_us or self.concurrency_us)


GRANTED = Waits()


@dataclass(slots=True)
class _Charge:
    at: int
    us: int


class _Lease(msgspec.Struct, frozen=True):
    expires: int
    us: int
    sequence: int  # of its charge in the log


class TenantState:
    """All limits of one tenant. Times are µs of one clock; `now` may go backwards, see `_follow`."""

    __slots__ = ("_first", "_leases", "_log", "_now", "_request_tat", "_tokens_tat")

    def __init__(self) -> None:
        self._now = 0
        self._request_tat = 0
        self._tokens_tat = 0
        self._log: deque[_Charge] = deque()
        self._first = 0
        self._leases: dict[str, _Lease] = {}

    def reserve(self, now: int, demand: Demand, lease_id: str, lease_us: int) -> Waits:
        """All limits or none. Repeating a granted reservation grants it again without charging."""
        self._follow(now)
        self._drop_expired(now)
        if lease_id in self._leases:
            return GRANTED
        request_tat = max(self._request_tat, now) + demand.request_us
        tokens_tat = max(self._tokens_tat, now) + demand.tokens_us
        request_wait = tokens_wait = concurrency_wait = 0
        if demand.request_burst_us:
            request_wait = max(0, request_tat - demand.request_burst_us - now)
        if demand.tokens_burst_us:
            tokens_wait = max(0, tokens_tat - demand.tokens_burst_us - now)
        if demand.concurrent and len(self._leases) >= demand.concurrent:
            earliest = min(lease.expires for lease in self._leases.values())
            concurrency_wait = min(CONCURRENCY_RETRY_US, earliest - now)
        if request_wait or tokens_wait or concurrency_wait:
            return Waits(request_wait, tokens_wait, concurrency_wait)
        if self._tokens_tat <= now:
            self._forget_log()
        self._request_tat = request_tat
        self._tokens_tat = tokens_tat
        sequence = self._record(now, demand.tokens_us)
        self._leases[lease_id] = _Lease(now + lease_us, demand.tokens_us, sequence)
        return GRANTED

    def settle(self, now: int, lease_id: str, actual_us: int | None) -> bool:
        """Charge `actual_us` instead of what was reserved (None: keep it). False when the lease is gone."""
        self._follow(now)
        self._drop_expired(now)
        lease = self._leases.pop(lease_id, None)
        if lease is None:
            return False
        more = 0 if actual_us is None else actual_us - lease.us
        if more > 0:
            self._tokens_tat = max(self._tokens_tat, now) + more
            self._record(now, more)
        elif more < 0 and lease.sequence >= self._first:
            index = lease.sequence - self._first
            self._log[index].us += more
            alone = 0
            for charge in itertools.islice(self._log, index + 1, None):
                alone = max(alone, charge.at) + charge.us
            self._tokens_tat = max(self._tokens_tat + more, alone)
        return True

    def idle(self, now: int) -> bool:
        """Nothing here differs from a new state."""
        self._follow(now)
        self._drop_expired(now)
        return not self._leases and max(self._request_tat, self._tokens_tat) <= now

    @property
    def live(self) -> int:
        return len(self._leases)

    def _record(self, now: int, us: int) -> int:
        """Append a charge to the log; its sequence number."""
        self._log.append(_Charge(now, us))
        sequence = self._first + len(self._log) - 1
        if len(self._log) > LOG_LIMIT:
            self._log.popleft()
            self._first += 1
        return sequence

    def _forget_log(self) -> None:
        self._first += len(self._log)
        self._log.clear()

    def _drop_expired(self, now: int) -> None:
        """Expired leases stop counting as running; their charge stays."""
        # All leases run equally long, so the oldest expires first.
        while self._leases:
            oldest = next(iter(self._leases))
            if self._leases[oldest].expires > now:
                return
            del self._leases[oldest]

    def _follow(self, now: int) -> None:
        """When the clock was set back, set everything back with it: a wait never grows by the jump.

        A jump forwards is time that has passed: it empties the bucket once, never below empty.
        """
        back = self._now - now
        self._now = now
        if back <= 0:
            return
        self._request_tat -= back
        self._tokens_tat -= back
        self._forget_log()
        for lease_id, lease in self._leases.items():
            self._leases[lease_id] = _Lease(lease.expires - back, lease.us, lease.sequence)
