"""The guard's law, and what it tells those whom it turns away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sonotheque.access.guard import Guard, Take, TooMuch, client_of
from sonotheque.model.identifiers import RecordingId

DAY_SECONDS = 86_400
BYTES_MAX = 100
RECORDINGS_MAX = 3

requests = st.lists(
    st.tuples(
        st.integers(0, 7_200),  # seconds since the request before
        st.sampled_from(["a", "b", "c", "d"]),  # client
        st.sampled_from([RecordingId(name) for name in "VWXYZ"]),
        st.integers(0, 60),  # bytes asked for
        st.floats(0, 1),  # how much of it is sent
        st.integers(0, 3),  # how many requests later it has been sent
    ),
    max_size=120,
)


def guard(clients_max: int = 100) -> Guard:
    return Guard(bytes_max=BYTES_MAX, recordings_max=RECORDINGS_MAX, clients_max=clients_max)


@given(requests, st.sampled_from([2, 100]))
def test_no_client_passes_its_bounds_in_any_day(
    asked: list[tuple[int, str, RecordingId, int, float, int]], clients_max: int
) -> None:
    watch = guard(clients_max)
    now = 0
    sent: list[tuple[int, str, RecordingId, int]] = []
    under_way: list[tuple[int, Take, str, RecordingId, int]] = []

    def finish(until: int) -> None:
        for entry in [entry for entry in under_way if entry[0] <= until]:
            under_way.remove(entry)
            _, take, client, recording, byte_count = entry
            watch.close(take, byte_count, now)
            sent.append((now, client, recording, byte_count))

    for number, (pause, client, recording, byte_count, share, later) in enumerate(asked):
        now += pause
        finish(number)
        take = watch.open(client, recording, byte_count, now)
        if isinstance(take, Take):
            entry = (number + later, take, client, recording, int(byte_count * share))
            under_way.append(entry)
    finish(len(asked) + 3)

    for end, *_ in sent:
        for client in "abcd":
            window = [s for s in sent if s[1] == client and end - DAY_SECONDS < s[0] <= end]
            assert sum(byte_count for *_, byte_count in window) <= BYTES_MAX
            assert len({recording for _, _, recording, _ in window}) <= RECORDINGS_MAX


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 50)), min_size=1, max_size=30))
def test_who_comes_back_when_told_is_let_in(takes: list[tuple[int, int]]) -> None:
    watch = guard()
    now = 0
    for pause, byte_count in takes:
        now += pause
        take = watch.open("a", RecordingId("V"), byte_count, now)
        if isinstance(take, TooMuch):
            assert take.bound == "bytes"
            now += take.retry_after_seconds
            take = watch.open("a", RecordingId("V"), byte_count, now)
        assert isinstance(take, Take)
        watch.close(take, byte_count, now)


def test_a_recording_counts_once_however_many_ranges() -> None:
    watch = guard()
    for _ in range(50):
        take = watch.open("a", RecordingId("V"), 2, 0)
        assert isinstance(take, Take)
        watch.close(take, 1, 0)
    for name in "WX":
        assert isinstance(watch.open("a", RecordingId(name), 1, 0), Take)
    refused = watch.open("a", RecordingId("Y"), 1, 0)
    assert refused == TooMuch("recordings", 97 * 900)


def test_bytes_that_were_not_sent_are_given_back() -> None:
    watch = guard()
    for _ in range(20):
        take = watch.open("a", RecordingId("V"), BYTES_MAX - 20, 0)
        assert isinstance(take, Take)
        watch.close(take, 1, 0)


def test_what_is_being_sent_counts_in_full() -> None:
    watch = guard()
    assert isinstance(watch.open("a", RecordingId("V"), BYTES_MAX, 0), Take)
    assert isinstance(watch.open("a", RecordingId("V"), 1, 0), TooMuch)
    assert isinstance(watch.open("b", RecordingId("V"), 1, 0), Take)


def test_a_flood_of_addresses_shares_one_account() -> None:
    watch = guard(clients_max=2)
    for client in ("a", "b"):
        assert isinstance(watch.open(client, RecordingId("V"), 1, 0), Take)
    taken = 0
    for number in range(1_000):
        take = watch.open(f"flood-{number}", RecordingId("V"), 10, 0)
        taken += 10 if isinstance(take, Take) else 0
    assert taken == BYTES_MAX


def test_one_household_is_one_client() -> None:
    assert client_of("2001:db8:1:2::1") == client_of("2001:db8:1:2:ffff::9")
    assert client_of("2001:db8:1:2::1") != client_of("2001:db8:1:3::1")
    assert client_of("::ffff:192.0.2.7") == client_of("192.0.2.7") == "192.0.2.7"
    assert client_of("fe80::1%eth0") == "fe80::/64"
    assert client_of("testclient") == "testclient"
