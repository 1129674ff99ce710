"""Days of the calendar: months end where the law says, leap days count, texts are dates or not."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.rights.days import (
    after_days,
    after_months,
    day_of,
    is_partial,
    new_year_after,
    year_of,
)

DAYS = st.dates(date(1860, 1, 1), date(2200, 1, 1))


@pytest.mark.parametrize(
    ("event", "months", "first"),
    [
        ("2026-08-31", 6, "2027-03-01"),  # February has no 31st day: the period ends with the 28th
        ("2027-08-31", 6, "2028-03-01"),  # … with the 29th in a leap year
        ("2027-08-29", 6, "2028-03-01"),
        ("2026-08-28", 6, "2027-03-01"),
        ("2026-08-27", 6, "2027-02-28"),
        ("2026-05-14", 6, "2026-11-15"),
        ("2026-06-30", 6, "2026-12-31"),
        ("2026-07-31", 6, "2027-02-01"),
        ("2028-02-29", 12, "2029-03-01"),
        ("2027-02-28", 12, "2028-02-29"),
        ("2026-12-31", 0, "2027-01-01"),
    ],
)
def test_a_period_in_months_ends_with_the_day_of_its_number(
    event: str, months: int, first: str
) -> None:
    assert after_months(date.fromisoformat(event), months).isoformat() == first


@given(DAYS, st.integers(0, 600))
def test_the_last_day_of_a_period_has_the_number_of_the_event_or_ends_its_month(
    event: date, months: int
) -> None:
    last = after_months(event, months) - timedelta(days=1)
    assert (last.year * 12 + last.month) - (event.year * 12 + event.month) == months
    days = calendar.monthrange(last.year, last.month)[1]
    assert last.day == event.day or (last.day == days and last.day < event.day)


@given(DAYS, DAYS, st.integers(0, 600))
def test_periods_that_begin_later_end_no_earlier(one: date, other: date, months: int) -> None:
    earlier, later = sorted((one, other))
    assert after_months(earlier, months) <= after_months(later, months)
    assert after_days(earlier, months) <= after_days(later, months)


@given(DAYS, st.integers(1, 600))
def test_a_period_in_days_does_not_count_the_day_of_the_event(event: date, days: int) -> None:
    whole = [event + timedelta(days=n) for n in range(1, days + 1)]
    assert after_days(event, days) == whole[-1] + timedelta(days=1)


def test_a_term_in_years_ends_with_a_year() -> None:
    assert new_year_after(1955, 70) == date(2026, 1, 1)


def test_a_day_begins_in_utc() -> None:
    assert day_of("2026-12-31T23:59:59.999999Z") == date(2026, 12, 31)
    assert day_of("2027-01-01T00:00:00.000000Z") == date(2027, 1, 1)
    assert day_of("2027-01-01") == date(2027, 1, 1)


@pytest.mark.parametrize("text", ["1955", "1972-02-14", "2024-02-29"])
def test_a_year_or_a_day_is_a_date(text: str) -> None:
    assert is_partial(text)
    assert year_of(text) == int(text[:4])


@pytest.mark.parametrize(
    "text",
    ["", "55", "1955-03", "1955-02-30", "2023-02-29", "1955-1-1", "0000", "c. 1955", "never"],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert not is_partial(text)


def test_never_is_an_answer_where_it_can_be_one() -> None:
    assert is_partial("never", never=True)
    assert year_of("never") is None
    assert year_of("") is None
