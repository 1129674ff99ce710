"""What a recording is worth, and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.errors import BadInput
from sonotheque.model.identifiers import RecordingId
from sonotheque.selection.policy import WHY, Candidate, Policy, read_policy, score


def candidate(**changes: object) -> Candidate:
    plain: dict[str, object] = {
        "recording": RecordingId("0" * 13),
        "byte_count": 1_000,
        "popularity": 50,
        "lossless": True,
        "copies": 2,
        "year": 2000,
        "publishable": True,
        "generated": False,
    }
    return Candidate(**{**plain, **changes})  # type: ignore[arg-type]


def value(policy: Policy | None = None, **changes: object) -> float:
    terms = score(candidate(**changes), policy or Policy(), year_now=2026)
    return sum(points for _, points in terms)


@given(st.integers(0, 99))
def test_what_fewer_people_hear_is_worth_more(popularity: int) -> None:
    assert value(popularity=popularity) > value(popularity=popularity + 1)


def test_each_reason_moves_the_value_the_way_the_policy_says() -> None:
    assert value(copies=1) == value(copies=2) + Policy().single_copy
    assert value(lossless=True) == value(lossless=False) + Policy().lossless
    assert value(publishable=False) == value(publishable=True) - Policy().publishable
    assert value(generated=True) == value(generated=False) + Policy().generated
    assert value(year=1900) == value(year=1976) == value(year=2026) + Policy().age
    assert value(year=None) == value(year=2001)
    assert value(popularity=None) == value(Policy(demand=0), popularity=50)


def test_terms_name_every_reason_that_counts_and_no_other() -> None:
    terms = dict(score(candidate(popularity=100, copies=3), Policy(), year_now=2026))
    assert terms == {"demand": 1.0, "lossless": 1.0, "age": 2.0 * 26 / 50, "publishable": 1.0}


def test_a_policy_file_sets_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("obscurity = 9\nage_years = 10\n")
    assert read_policy(path) == Policy(obscurity=9, age_years=10)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"obscurity = ", "not TOML"),
        (b"\xff", "not TOML"),
        (b"obscureness = 1", "'obscureness'"),
        (b'age = "old"', "age is no number"),
        (b"age = true", "age is no number"),
        (b"age_years = 0", "age_years is under 1"),
        (b"age = nan", "age is nan"),
        (b"age = -inf", "age is -inf"),
    ],
)
def test_a_bad_policy_file_is_refused_with_its_place(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=says) as caught:
        read_policy(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy


def test_a_missing_policy_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        read_policy(tmp_path / "none.toml")


def test_every_reason_has_its_words() -> None:
    whole = candidate(copies=1, generated=True)
    assert {reason for reason, _ in score(whole, Policy(), year_now=2026)} == set(WHY)
