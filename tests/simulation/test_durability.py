"""The arithmetic of durability, against simpler formulas, laws and draws."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonotheque.simulation import durability
from sonotheque.simulation.durability import SCHEMES, Assumptions, Process, Scheme

NEVER = Process(0, 0)
rates = st.floats(0.001, 2)
repairs = st.floats(0.0001, 0.3)
processes = st.builds(Process, rates, repairs)
seldom_bad = st.builds(Process, rates, st.floats(0.0001, 0.02))
schemes = st.builds(
    lambda needed, each, sites: Scheme("", min(needed, each * sites), each * sites, sites),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 4),
)


def test_two_copies_are_the_textbook_formula() -> None:
    """2 λ² τ for small λτ."""
    found = durability.loss_frequency(Scheme("", 1, 2, 1), Process(0.01, 0.001), NEVER)
    assert found == pytest.approx(2 * 0.01**2 * 0.001, rel=1e-4)


def test_two_fates_of_one_unit() -> None:
    """Bad while either has it bad; what it comes to is again a rate and a repair."""
    one, other = Process(0.5, 0.1), Process(0.2, 0.3)
    both = one.and_also(other)
    assert both.bad == pytest.approx(1 - (1 - one.bad) * (1 - other.bad))
    assert both.frequency == pytest.approx(
        one.frequency * (1 - other.bad) + other.frequency * (1 - one.bad)
    )
    assert NEVER.and_also(NEVER) == NEVER


@given(schemes, processes, processes)
def test_units_alone_on_their_sites_are_one_process(
    scheme: Scheme, unit: Process, site: Process
) -> None:
    """A site with one unit on it is no different from two fates of that unit."""
    scattered = dataclasses.replace(scheme, sites=scheme.units)
    together = dataclasses.replace(scheme, sites=1)
    assert durability.loss_frequency(scattered, unit, site) == pytest.approx(
        durability.loss_frequency(together, unit.and_also(site), NEVER), rel=1e-6, abs=1e-300
    )


@given(schemes, processes, processes)
def test_only_sites_fail(scheme: Scheme, unit: Process, site: Process) -> None:
    """With units that last for ever, sites are the units."""
    each = scheme.units // scheme.sites
    spared = scheme.tolerated // each
    as_units = Scheme("", scheme.sites - spared, scheme.sites, 1)
    assert durability.loss_frequency(scheme, NEVER, site) == pytest.approx(
        durability.loss_frequency(as_units, site, NEVER), rel=1e-6, abs=1e-300
    )


@given(schemes, seldom_bad, seldom_bad)
def test_more_is_never_worse(scheme: Scheme, unit: Process, site: Process) -> None:
    """One more unit to spare never loses more often.

    Where units are bad most of the time it may: losing is rare where nothing is ever whole."""
    now = durability.loss_frequency(scheme, unit, site)
    if scheme.needed > 1:
        fewer = dataclasses.replace(scheme, needed=scheme.needed - 1)
        assert durability.loss_frequency(fewer, unit, site) <= now * (1 + 1e-9)


@pytest.mark.parametrize(
    ("scheme", "unit", "site", "years"),
    [
        (Scheme("", 1, 2, 1), Process(1, 0.05), NEVER, 1e5),
        (Scheme("", 1, 3, 1), Process(1, 0.1), Process(0.01, 0.5), 1e5),
        (Scheme("", 1, 3, 3), Process(1, 0.1), Process(0.3, 0.2), 1e5),
        (Scheme("", 1, 4, 2), Process(1, 0.1), Process(0.3, 0.2), 1e5),
        (Scheme("", 4, 6, 3), Process(1, 0.05), Process(0.2, 0.1), 1e5),
        (Scheme("", 6, 12, 3), Process(1, 0.1), Process(0.2, 0.1), 1e5),
    ],
)
def test_what_is_drawn_agrees_with_the_formula(
    scheme: Scheme, unit: Process, site: Process, years: float
) -> None:
    """Within five standard deviations of a count, with a seed that stays the same."""
    expected = durability.loss_frequency(scheme, unit, site) * years
    counted, watched = durability.observe(scheme, unit, site, years=years, seed=7)
    assert watched == years
    assert expected > 500
    assert abs(counted - expected) < 5 * math.sqrt(expected)


def test_a_draw_depends_on_its_seed_alone() -> None:
    drawn = [
        durability.observe(SCHEMES[3], Process(1, 0.1), Process(0.1, 0.1), years=1e4, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_bandwidths() -> None:
    """300 TB in 30 days is 10 TB a day; over 1 Gbit/s a day carries 10.8 TB."""
    assert durability.audit_mb_s(300, 30) == pytest.approx(10e6 / 86_400)
    assert durability.fill_days(10.8, 1) == pytest.approx(1)


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_what_a_change_does(scheme: Scheme) -> None:
    """Auditing more often, replacing faster, and sharing less: each loses less."""
    base = dataclasses.replace(Assumptions(), beta=0.001)
    before = durability.prospect(scheme, base)
    for change in ({"audit_days": 30.0}, {"replacement_days": 1.0}, {"beta": 0.0}):
        after = durability.prospect(scheme, dataclasses.replace(base, **change))
        assert after.lost_share < before.lost_share
        assert after.losses < before.losses
        assert after.mttdl > before.mttdl
        assert after.any_loss(10) < before.any_loss(10)


def test_in_one_place_that_place_decides() -> None:
    for scheme in SCHEMES:
        share = durability.prospect(scheme, Assumptions()).lost_share
        if scheme.sites == 1:
            assert share == pytest.approx(Assumptions().site_losses, rel=0.01)
        else:
            assert share < Assumptions().site_losses / 8


def test_nothing_fails_nothing_is_lost() -> None:
    calm = Assumptions(disk_failures=0, latent_disks=0, silent_disks=0, site_losses=0)
    for scheme in SCHEMES:
        found = durability.prospect(scheme, calm)
        assert (found.lost_share, found.losses) == (0, 0)
        assert found.mttdl == math.inf
        assert found.any_loss(10) == 0


def test_a_cost_is_disks_and_energy() -> None:
    """Two copies of 300 TB are 30 disks of 20 TB: at 100 W, and five years old when they go."""
    given = Assumptions(
        disk_failures=0, disk_life_years=5, disk_watts=100, price_tb=10, price_kwh=0.5
    )
    found = durability.cost(SCHEMES[0], given)
    assert found.replaced == 6
    assert found.disks == 6 * 20 * 10
    assert found.kwh == pytest.approx(30 * 0.1 * 8766)
    assert found.total == pytest.approx(1200 + 0.5 * 30 * 0.1 * 8766)
