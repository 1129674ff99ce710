"""How long 300 TB last: the arithmetic of copies, audits, repairs and shared fates. Pure.

Every figure is worked out from `Assumptions`, which say where each number comes from, so that a
reader puts in those of the archive in question. The model: a *unit* (one disk's worth of a copy,
or of an erasure-coded fragment) goes bad and is made good again, over and over, independently of
the others but for the causes named below. For such alternating renewal processes in their steady
state the frequency with which more than a tolerated number are bad at once has a closed form that
holds for any distribution of repair times (Birnbaum, "On the importance of different components
in a multicomponent system", 1969): the sum over units of the frequency of going bad times the
probability that exactly the tolerated number of others are bad. `observe` checks it by drawing.

Shared causes: a site takes all its units at once, and a fraction beta of the failures of disks
takes all units of a group at once, wherever they stand (the beta-factor model of IEC 61508-6).

Time is in years, unless a name says otherwise; rates are per year.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

YEAR_DAYS = 365.25
YEAR_HOURS = YEAR_DAYS * 24
TB = 10**12


def _assume(default: float, unit: str, source: str) -> float:
    made: float = field(default=default, metadata={"unit": unit, "source": source})
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What the arithmetic starts from; the metadata of each field name its unit and its source.

    "assumption" in place of a source: nobody's measurement, put in your own.
    """

    data_tb: float = _assume(300, "TB", "86 million files of 3.49 MB")
    object_mb: float = _assume(3.49, "MB", "mean audio file of the copied service")
    disk_tb: float = _assume(20, "TB", "assumption")
    disk_failures: float = _assume(
        0.0157, "per disk and year", "Backblaze Drive Stats for 2024; Schroeder & Gibson 2007"
    )
    latent_disks: float = _assume(
        0.0315, "disks per disk and year", "Bairavasundaram et al. 2007, nearline, first 12 months"
    )
    silent_disks: float = _assume(
        0.0066 * 12 / 17,
        "disks per disk and year",
        "Bairavasundaram et al. 2008, nearline, 0.66 % in 17 months",
    )
    objects_per_fault: float = _assume(10, "objects", "assumption: errors cluster on a disk")
    audit_days: float = _assume(90, "days", "assumption")
    replacement_days: float = _assume(7, "days", "assumption: notice, buy, fit")
    refill_mb_s: float = _assume(100, "MB/s per disk", "assumption")
    site_losses: float = _assume(0.002, "per site and year", "assumption: once in 500 years")
    site_replacement_days: float = _assume(180, "days", "assumption: find rooms, buy, fit")
    site_link_gbit_s: float = _assume(1, "Gbit/s", "assumption")
    beta: float = _assume(0, "fraction", "the table below tries others")
    disk_read_mb_s: float = _assume(200, "MB/s per disk", "assumption")
    disk_watts: float = _assume(8, "W", "assumption, with its share of the server")
    disk_life_years: float = _assume(6, "years", "assumption")
    price_tb: float = _assume(20, "money per TB of disk", "assumption")
    price_kwh: float = _assume(0.25, "money per kWh", "assumption")

    @property
    def objects(self) -> float:
        return self.data_tb * TB / (self.object_mb * 1e6)


@dataclass(frozen=True, slots=True)
class Scheme:
    """An object is kept as `units` units of 1/`needed` of its size, spread evenly over `sites`;
    any `needed` of them give it back. Copies are the case of `needed` = 1."""

    name: str
    needed: int
    units: int
    sites: int

    @property
    def tolerated(self) -> int:
        return self.units - self.needed

    @property
    def overhead(self) -> float:
        """Bytes on disks for each byte kept."""
        return self.units / self.needed


SCHEMES = (
    Scheme("2 copies, 1 site", 1, 2, 1),
    Scheme("2 copies, 2 sites", 1, 2, 2),
    Scheme("3 copies, 1 site", 1, 3, 1),
    Scheme("3 copies, 3 sites", 1, 3, 3),
    Scheme("4 copies, 4 sites", 1, 4, 4),
    Scheme("10+4 code, 1 site", 10, 14, 1),
    Scheme("4+2 code, 3 sites", 4, 6, 3),
    Scheme("6+6 code, 3 sites", 6, 12, 3),
)


@dataclass(frozen=True, slots=True)
class Process:
    """A unit that goes bad at `rate` while it is good, and is bad for `repair` on average."""

    rate: float
    repair: float

    @property
    def bad(self) -> float:
        """The fraction of the time that it is bad."""
        return self.rate * self.repair / (1 + self.rate * self.repair)

    @property
    def frequency(self) -> float:
        """How often a year it goes bad."""
        return self.rate * (1 - self.bad)

    def and_also(self, other: Process) -> Process:
        """A unit that is bad while either process, independent of the other, has it bad."""
        bad = 1 - (1 - self.bad) * (1 - other.bad)
        frequency = self.frequency * (1 - other.bad) + other.frequency * (1 - self.bad)
        if frequency == 0:
            return Process(0, 0)
        return Process(frequency / (1 - bad), bad / frequency)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a scheme comes to under some assumptions.

    `lost_share` is the fraction of the data that is lost in a year, on average: exact whatever
    the placement, because it adds up over objects. `losses` is the number of events a year in
    which anything at all is lost, where each group of disks holds the same objects.
    """

    scheme: Scheme
    raw_tb: float
    disks: int
    lost_share: float
    losses: float

    @property
    def mttdl(self) -> float:
        """Mean years to the first loss of anything; infinite where nothing is ever lost."""
        return 1 / self.losses if self.losses else math.inf

    def any_loss(self, years: float) -> float:
        """The probability that anything is lost within `years`."""
        return -math.expm1(-self.losses * years)


def prospect(scheme: Scheme, given: Assumptions) -> Prospect:
    """Reckon how `scheme` fares under the assumptions `given`."""
    raw_tb = given.data_tb * scheme.overhead
    groups = given.data_tb / (scheme.needed * given.disk_tb)
    objects_a_disk = given.disk_tb * scheme.needed * TB / (given.object_mb * 1e6)
    disk = disk_process(given)
    site = site_process(scheme, given)
    fault = fault_process(given, objects_a_disk)
    shared = given.beta * given.disk_failures
    whole = loss_frequency(scheme, disk, site)
    one = loss_frequency(scheme, disk.and_also(fault), site)
    # A group of disks is lost as one; what takes a latent fault too is lost a fault's objects at a
    # time. A site's end is one event for the whole archive, and so counted once.
    site_alone = loss_frequency(scheme, Process(0, 0), site)
    by_group = (whole - site_alone) + objects_a_disk / given.objects_per_fault * (one - whole)
    return Prospect(
        scheme=scheme,
        raw_tb=raw_tb,
        disks=math.ceil(raw_tb / given.disk_tb),
        lost_share=one + shared,
        losses=site_alone + groups * (by_group + shared),
    )


def disk_process(given: Assumptions) -> Process:
    """A disk's own end (without the share of shared causes), and its replacement and refilling."""
    refill_days = given.disk_tb * 1e6 / given.refill_mb_s / 86_400
    return Process(
        given.disk_failures * (1 - given.beta), (given.replacement_days + refill_days) / YEAR_DAYS
    )


def fault_process(given: Assumptions, objects_a_disk: float) -> Process:
    """One object's part on a disk unreadable or silently wrong, until the next audit heals it:
    half of the time between two audits later, on average."""
    disks = given.latent_disks + given.silent_disks
    share = min(1.0, given.objects_per_fault / objects_a_disk)
    return Process(disks * share, given.audit_days / 2 / YEAR_DAYS)


def site_process(scheme: Scheme, given: Assumptions) -> Process:
    """A whole site's end, and filling another one over its link."""
    site_tb = given.data_tb * scheme.overhead / scheme.sites
    days = given.site_replacement_days + fill_days(site_tb, given.site_link_gbit_s)
    return Process(given.site_losses, days / YEAR_DAYS)


def loss_frequency(scheme: Scheme, unit: Process, site: Process) -> float:
    """How often a year an object goes from "can be given back" to "cannot", shared causes of
    failures of disks aside."""
    total = 0.0
    each = scheme.units // scheme.sites
    for down in range(scheme.sites + 1):
        here = _binomial(scheme.sites, down, site.bad)
        left = scheme.units - down * each
        spare = scheme.tolerated - down * each
        if spare < 0:
            break
        # One more unit goes bad, when as many as can be spared are.
        if left > spare:
            others = _binomial(left - 1, spare, unit.bad)
            total += here * left * unit.frequency * others
        # One more site goes, when the units elsewhere that are bad leave too little.
        if down < scheme.sites:
            standing = left - each
            crossing = sum(
                _binomial(standing, bad, unit.bad) * _binomial(each, bad_here, unit.bad)
                for bad in range(min(standing, spare) + 1)
                for bad_here in range(min(each, spare - bad) + 1)
                if each + bad > spare
            )
            others = _binomial(scheme.sites - 1, down, site.bad)
            total += scheme.sites * site.frequency * others * crossing
    return total


def _binomial(number: int, bad: int, probability: float) -> float:
    if not 0 <= bad <= number:
        return 0.0
    return math.comb(number, bad) * probability**bad * (1 - probability) ** (number - bad)


def audit_mb_s(data_tb: float, days: float) -> float:
    """How fast a copy of `data_tb` must be read to be read whole every `days`."""
    return data_tb * 1e6 / (days * 86_400)


def fill_days(data_tb: float, gbit_s: float) -> float:
    """How long `data_tb` take over a link that they have for themselves."""
    return data_tb * 8e3 / gbit_s / 86_400


@dataclass(frozen=True, slots=True)
class Cost:
    """A year's cost, in the money of the assumptions; people and rooms are not in it."""

    disks: float
    energy: float
    kwh: float
    replaced: float

    @property
    def total(self) -> float:
        return self.disks + self.energy


def cost(scheme: Scheme, given: Assumptions) -> Cost:
    """What the disks of `scheme` cost in a year, worn out and broken ones replaced."""
    disks = prospect(scheme, given).disks
    replaced = disks * (1 / given.disk_life_years + given.disk_failures)
    kwh = disks * given.disk_watts * YEAR_HOURS / 1000
    return Cost(
        disks=replaced * given.disk_tb * given.price_tb,
        energy=kwh * given.price_kwh,
        kwh=kwh,
        replaced=replaced,
    )


def observe(
    scheme: Scheme, unit: Process, site: Process, *, years: float, seed: int
) -> tuple[int, float]:
    """Draw `years` of the life of one object and count its losses: (losses, years watched).

    Repairs take between nought and twice the mean, evenly: what an audit at a fixed interval
    gives, and unlike the exponential times for which textbooks derive their formulas.
    """
    random = np.random.default_rng(seed)
    each = scheme.units // scheme.sites
    covers: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(scheme.sites):
        whole = _down_times(random, site, years)
        for _ in range(each):
            own = _down_times(random, unit, years)
            covers.append(_union(*map(np.concatenate, zip(own, whole, strict=True))))
    at = np.concatenate([part for starts, ends in covers for part in (starts, ends)])
    step = np.concatenate(
        [part for s, e in covers for part in (np.ones(len(s), int), -np.ones(len(e), int))]
    )
    # What ends at a moment ends before what begins at it, but for a site's units together.
    order = np.lexsort((step, at))
    bad = np.cumsum(step[order])
    lost = bad > scheme.tolerated
    last_of_moment = np.append(np.diff(at[order]) > 0, [True])
    lost = lost[last_of_moment]
    return int(np.count_nonzero(lost[1:] & ~lost[:-1])), years


def _down_times(
    random: np.random.Generator, process: Process, years: float
) -> tuple[np.ndarray, np.ndarray]:
    """When a process goes bad and good again, shape (n,) each, until `years`."""
    if process.rate == 0:
        return np.empty(0), np.empty(0)
    count = int(years * process.rate * 1.2) + 100
    up = random.exponential(1 / process.rate, count)
    down = random.uniform(0, 2 * process.repair, count)
    ends = np.cumsum(up + down)
    starts = ends - down
    within = starts < years
    return starts[within], ends[within]


def _union(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stretches of time that may overlap, as stretches that do not."""
    if len(starts) == 0:
        return starts, ends
    order = np.argsort(starts)
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    begins = np.append([True], starts[1:] > reach[:-1])
    closes = np.append(begins[1:], [True])
    return starts[begins], reach[closes]
