"""The guard: bounds what one client may take from the reading room in a day.

A client is an IPv4 address or an IPv6 /64 (what one household is given). The guard remembers a
day, in memory alone. Its law: whatever a client does, the bytes sent to it in any 24 hours stay
within `bytes_max`, and the recordings within `recordings_max`.
"""

from __future__ import annotations

import ipaddress
import threading
from dataclasses import dataclass, field

from sonotheque.model.identifiers import RecordingId

SLOT_SECONDS = 900
"""Takes are remembered by quarter of an hour: at most 97 numbers a client for its bytes."""
SLOTS_KEPT = 97
"""A day of quarters and one more, so that a take is never forgotten before it is a day old."""
CLIENTS_MAX = 100_000
"""Clients with an account of their own; beyond, newcomers share one, so that memory is bounded
and a flood of addresses buys nothing more."""


@dataclass(frozen=True, slots=True)
class TooMuch:
    """A refusal: the bound that would be passed (`bytes` or `recordings`), when to come back."""

    bound: str
    retry_after_seconds: int


@dataclass(slots=True)
class _Account:
    """What one client took. Both dictionaries keep the least recent first."""

    bytes_by_slot: dict[int, int] = field(default_factory=dict)
    slot_by_recording: dict[RecordingId, int] = field(default_factory=dict)
    open_bytes: int = 0
    """Promised to responses that are still being sent."""
    open_takes: dict[RecordingId, int] = field(default_factory=dict)

    def forget(self, before: int) -> None:
        """Forget what was taken in slots under `before`."""
        for slot in [slot for slot in self.bytes_by_slot if slot < before]:
            del self.bytes_by_slot[slot]
        for recording in [key for key, slot in self.slot_by_recording.items() if slot < before]:
            if recording not in self.open_takes:
                del self.slot_by_recording[recording]

    def note(self, recording: RecordingId, byte_count: int, slot: int) -> None:
        self.bytes_by_slot[slot] = self.bytes_by_slot.get(slot, 0) + byte_count
        self.slot_by_recording.pop(recording, None)
        self.slot_by_recording[recording] = slot

    @property
    def empty(self) -> bool:
        return not (self.bytes_by_slot or self.slot_by_recording)


@dataclass(frozen=True, slots=True)
class Take:
    """Leave to send up to `byte_count` bytes of `recording`; `Guard.close` ends it."""

    account: _Account
    recording: RecordingId
    byte_count: int


class Guard:
    """What every client took in the last day. Safe to use from several threads.

    Times are seconds of a clock that never runs backwards.
    """

    def __init__(
        self, *, bytes_max: int, recordings_max: int, clients_max: int = CLIENTS_MAX
    ) -> None:
        self._bytes_max = bytes_max
        self._recordings_max = recordings_max
        self._clients_max = clients_max
        self._accounts: dict[str, _Account] = {}
        self._everyone_else = _Account()
        self._swept_slot = -1
        self._lock = threading.Lock()

    def open(
        self, client: str, recording: RecordingId, byte_count: int, now_seconds: float
    ) -> Take | TooMuch:
        """May `client` (see `client_of`) be sent `byte_count` bytes of `recording`?

        The bytes count as taken at once; `close` gives back those that were not sent.
        """
        slot = int(now_seconds) // SLOT_SECONDS
        with self._lock:
            self._sweep(slot)
            account = self._account(client)
            account.forget(slot - SLOTS_KEPT + 1)
            known = recording in account.slot_by_recording
            if not known and len(account.slot_by_recording) >= self._recordings_max:
                oldest = next(iter(account.slot_by_recording.values()))
                return TooMuch("recordings", _seconds_until_forgotten(oldest, now_seconds))
            taken = sum(account.bytes_by_slot.values()) + account.open_bytes
            if taken + byte_count > self._bytes_max:
                excess = taken + byte_count - self._bytes_max
                return TooMuch("bytes", _wait(account, excess, now_seconds))
            account.note(recording, 0, slot)
            account.open_bytes += byte_count
            account.open_takes[recording] = account.open_takes.get(recording, 0) + 1
            return Take(account, recording, byte_count)

    def close(self, take: Take, sent_bytes: int, now_seconds: float) -> None:
        """End `take`: `sent_bytes` of it were sent, the last of them now. Call it once."""
        account = take.account
        with self._lock:
            account.open_bytes -= take.byte_count
            account.open_takes[take.recording] -= 1
            if not account.open_takes[take.recording]:
                del account.open_takes[take.recording]
            account.note(take.recording, sent_bytes, int(now_seconds) // SLOT_SECONDS)

    def _account(self, client: str) -> _Account:
        account = self._accounts.get(client)
        if account is not None:
            return account
        # While the shared account remembers anything, a newcomer may be one of those who took
        # it: an account of its own would let it start again from nothing.
        if len(self._accounts) >= self._clients_max or not self._everyone_else.empty:
            return self._everyone_else
        return self._accounts.setdefault(client, _Account())

    def _sweep(self, slot: int) -> None:
        """Once a slot, drop the accounts that remember nothing."""
        if slot == self._swept_slot:
            return
        self._swept_slot = slot
        for account in (*self._accounts.values(), self._everyone_else):
            account.forget(slot - SLOTS_KEPT + 1)
        self._accounts = {c: account for c, account in self._accounts.items() if not account.empty}


def client_of(address: str) -> str:
    """Whose account an address is charged to: an IPv4 address, or an IPv6 network of /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _seconds_until_forgotten(slot: int, now_seconds: float) -> int:
    return max(1, (slot + SLOTS_KEPT) * SLOT_SECONDS - int(now_seconds))


def _wait(account: _Account, excess_bytes: int, now_seconds: float) -> int:
    """Seconds until `excess_bytes` of what the account took will have been forgotten."""
    for slot, byte_count in account.bytes_by_slot.items():
        excess_bytes -= byte_count
        if excess_bytes <= 0:
            return _seconds_until_forgotten(slot, now_seconds)
    return SLOTS_KEPT * SLOT_SECONDS
