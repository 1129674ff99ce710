"""The tables of docs/durability.md, for any assumptions: rows of text, ready to be read."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sonotheque.errors import BadInput
from sonotheque.simulation import durability
from sonotheque.simulation.durability import SCHEMES, Assumptions, Process, Scheme

YEARS = 10
AUDIT_DAYS = (7, 30, 90, 180, 365)
BETAS = (0.0, 0.0001, 0.001, 0.01, 0.05)
LINKS_GBIT_S = (0.1, 1.0, 10.0)
# Where losses are frequent enough to be counted: rates a year, mean years of repair.
_TRIALS = (
    (Scheme("2 copies, 2 sites", 1, 2, 2), Process(1.0, 0.05), Process(0.1, 0.2), 1e5),
    (Scheme("3 copies, 3 sites", 1, 3, 3), Process(1.0, 0.05), Process(0.1, 0.2), 3e5),
    (Scheme("4 copies, 2 sites", 1, 4, 2), Process(1.0, 0.1), Process(0.1, 0.2), 2e5),
    (Scheme("4+2 code, 3 sites", 4, 6, 3), Process(1.0, 0.05), Process(0.1, 0.2), 3e4),
    (Scheme("10+4 code, 1 site", 10, 14, 1), Process(1.0, 0.08), Process(0.001, 0.5), 2e4),
)


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` are as wide as `head`; everything is text."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [self.head, tuple("---" for _ in self.head), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def read_assumptions(path: Path) -> Assumptions:
    """Assumptions from a TOML file of `name = number`; what it leaves out stays as it is.

    Raises BadInput for what is no assumption or no number that makes sense.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(
            f"cannot be read as TOML ({error})", where=str(path), remedy="write name = number"
        ) from error
    known = {field.name for field in dataclasses.fields(Assumptions)}
    for name, value in given.items():
        if name not in known:
            raise BadInput(
                f"{name} is no assumption",
                where=str(path),
                remedy=f"use {', '.join(sorted(known))}",
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0 or (value == 0 and name in _NOT_0):
            raise BadInput(
                f"{name} is {value!r}", where=str(path), remedy="write a number that makes sense"
            )
        if name in _SHARES and value > 1:
            raise BadInput(
                f"{name} is over 1", where=str(path), remedy="write a share between 0 and 1"
            )
    return Assumptions(**{name: float(value) for name, value in given.items()})


_NOT_0 = {
    *("data_tb", "object_mb", "disk_tb", "objects_per_fault", "refill_mb_s"),
    *("site_link_gbit_s", "disk_read_mb_s", "disk_life_years"),
}
_SHARES = {"beta"}


def tables(given: Assumptions) -> tuple[Table, ...]:
    """Every table, in the order of the page."""
    return (
        assumptions(given),
        auditing(given),
        filling(given),
        schemes(given),
        intervals(given),
        shared(given),
        costs(given),
        agreement(),
    )


def filled(page: str, given: Assumptions) -> str:
    """`page` with the table between each `<!-- table: name -->` and `<!-- end -->` made anew.

    Raises KeyError for a name that is no table's.
    """
    known = {table.name: table.markdown() for table in tables(given)}
    return re.sub(
        r"<!-- table: (\w+) -->\n.*?<!-- end -->",
        lambda mark: f"<!-- table: {mark[1]} -->\n\n{known[mark[1]]}\n\n<!-- end -->",
        page,
        flags=re.DOTALL,
    )


def assumptions(given: Assumptions) -> Table:
    """What the others start from."""
    return Table(
        "assumptions",
        ("Name", "Value", "Unit", "From"),
        tuple(
            (
                f"`{field.name}`",
                f"{getattr(given, field.name):.4g}",
                field.metadata["unit"],
                field.metadata["source"],
            )
            for field in dataclasses.fields(given)
        ),
    )


def auditing(given: Assumptions) -> Table:
    """How fast one whole copy must be read, and how busy that keeps each of its disks."""
    rows = []
    for days in AUDIT_DAYS:
        rate = durability.audit_mb_s(given.data_tb, days)
        a_disk = durability.audit_mb_s(given.disk_tb, days)
        rows.append(
            (
                f"{days} days",
                f"{rate:,.0f} MB/s",
                f"{rate * 8 / 1000:.2f} Gbit/s",
                f"{a_disk:.1f} MB/s",
                f"{a_disk / given.disk_read_mb_s:.1%}",
            )
        )
    head = ("All within", "A location reads", "Over a network", "A disk reads", "A disk is busy")
    return Table("auditing", head, tuple(rows))


def filling(given: Assumptions) -> Table:
    """How long it takes to make a lost disk and a lost copy good again."""
    disk_days = given.disk_tb * 1e6 / given.refill_mb_s / 86_400
    rows = [(f"a disk at {given.refill_mb_s:g} MB/s", f"{given.disk_tb:g} TB", f"{disk_days:.1f}")]
    rows += [
        (
            f"a copy over {gbit_s:g} Gbit/s",
            f"{given.data_tb:g} TB",
            f"{durability.fill_days(given.data_tb, gbit_s):,.1f}",
        )
        for gbit_s in LINKS_GBIT_S
    ]
    return Table("filling", ("To fill", "With", "Days"), tuple(rows))


def schemes(given: Assumptions) -> Table:
    """What each scheme takes, and what it loses."""
    rows = []
    for scheme in SCHEMES:
        found = durability.prospect(scheme, given)
        rows.append(
            (
                scheme.name,
                f"{found.raw_tb:,.0f}",
                f"{found.disks}",
                amount(found.lost_share * given.data_tb * durability.TB * YEARS),
                chance(found.any_loss(YEARS)),
                years(found.mttdl),
            )
        )
    head = ("Scheme", "TB on disks", "Disks", "Lost in 10 years", "Any loss in 10", "MTTDL, years")
    return Table("schemes", head, tuple(rows))


def intervals(given: Assumptions) -> Table:
    """The chance of any loss in ten years, by how often the archive is audited."""
    chosen = [s for s in SCHEMES if s.sites > 1]
    rows = []
    for days in (*AUDIT_DAYS, YEARS * durability.YEAR_DAYS):
        here = dataclasses.replace(given, audit_days=days)
        losses = (durability.prospect(scheme, here).any_loss(YEARS) for scheme in chosen)
        label = f"{days} days" if days in AUDIT_DAYS else "10 years"
        rows.append((label, *(chance(one) for one in losses)))
    return Table("intervals", ("Audited within", *(s.name for s in chosen)), tuple(rows))


def shared(given: Assumptions) -> Table:
    """Expected loss in ten years, by the share of failures that all copies have in common."""
    chosen = [s for s in SCHEMES if s.sites > 1]
    rows = []
    for beta in BETAS:
        here = dataclasses.replace(given, beta=beta)
        lost = (
            durability.prospect(scheme, here).lost_share * given.data_tb * durability.TB * YEARS
            for scheme in chosen
        )
        rows.append((f"{beta:.2%}", *(amount(one) for one in lost)))
    return Table("shared", ("Beta", *(s.name for s in chosen)), tuple(rows))


def costs(given: Assumptions) -> Table:
    """What each scheme costs in a year, in the money of the assumptions."""
    rows = []
    for scheme in SCHEMES:
        found = durability.cost(scheme, given)
        rows.append(
            (
                scheme.name,
                f"{found.replaced:.1f}",
                f"{found.disks:,.0f}",
                f"{found.kwh:,.0f}",
                f"{found.energy:,.0f}",
                f"{found.total:,.0f}",
            )
        )
    head = ("Scheme", "Disks bought", "For disks", "kWh", "For energy", "Together")
    return Table("costs", head, tuple(rows))


def agreement(seed: int = 1) -> Table:
    """The closed form beside draws of the same processes, at rates that lose often."""
    rows = []
    for scheme, unit, site, watched in _TRIALS:
        counted, _ = durability.observe(scheme, unit, site, years=watched, seed=seed)
        expected = durability.loss_frequency(scheme, unit, site) * watched
        rows.append(
            (
                scheme.name,
                f"{watched:,.0f}",
                f"{expected:,.0f}",
                f"{counted:,}",
                f"{counted / expected - 1:+.1%}",
            )
        )
    head = ("Scheme", "Years drawn", "Losses by the formula", "Losses drawn", "Apart")
    return Table("agreement", head, tuple(rows))


def amount(byte_count: float) -> str:
    """An expected number of bytes, to two figures."""
    if byte_count < 1:
        return "under 1 byte"
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min(int(math.log10(byte_count) / 3), len(units) - 1)
    return f"{_two_figures(byte_count / 1000**power)} {units[power]}"


def chance(probability: float) -> str:
    """A probability: in percent, or as one in so many."""
    if probability >= 0.001:
        return f"{_two_figures(probability * 100)} %"
    return f"1 in {years(1 / probability)}" if probability else "none"


def years(number: float) -> str:
    """A large number, to two figures."""
    if math.isinf(number):
        return "never"
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{_two_figures(number / size)} {name}"
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 10 else f"{number:.1f}"


def _two_figures(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 10 else f"{number:.2g}"
