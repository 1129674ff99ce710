"""Random histories of rights, against which not one byte may be served or published.

Each history is a number: the same number is the same history. It is asked for every use, at times
that go forth and back as a clock that was set does, and the answers are held against the naive
rules of `oracle`. One in DEEP_EACH goes all the way: its entries are appended to the ledger of an
archive on the disk, whose site is asked for the sound and whose next edition is built.

    make consent                                    a million
    make consent ARGS="--first 4711 --count 1"      one again
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from litestar.testing import TestClient

from histories import OURS, PLACES, THEIRS, TIMES, history, statement
from oracle import answer, at_least, at_most
from sonotheque import archive as archives
from sonotheque.access.site import create_app
from sonotheque.archive import Archive
from sonotheque.config import Config, Root
from sonotheque.deposit import accession
from sonotheque.errors import Refused
from sonotheque.model.identifiers import RecordingId
from sonotheque.model.procedures import Procedure, TermFacts
from sonotheque.model.terms import ON_PREMISES, Answer, Kind, Layer, Statement, Status, Use
from sonotheque.model.territories import EVERYWHERE, Territory
from sonotheque.publication.edition import build_edition, plan_edition
from sonotheque.publication.tombstones import publish_tombstones
from sonotheque.rights.clocks import PROCEDURES
from sonotheque.rights.decision import decide, decide_all
from sonotheque.store.clock import utc_now

HOME = Territory("FR")
LONG = 1_000_000
DEEP_EACH = 1_000
_CLOCKS = 3
"""At so many times each history is asked."""
_CHUNK = 10_000
_RATE_HZ = 22_050
_SHOWN_MAX = 20
_PLAIN_YES: dict[str, Any] = {
    "kind": Kind.GRANT, "uses": tuple(Use), "status": Status.VERIFIED, "layers": tuple(Layer),
    "issuer": "B", "at": TIMES[0], "begins_at": "", "ends_at": "", "territories": (),
    "territories_except": (),
}  # fmt: skip
_KEPT = """
[[statement]]
issuer = "A"
evidence = "a letter"
basis = "own-consent"
uses = ["preserve"]
"""


def ask(number: int) -> Iterator[str]:
    """What history `number` is answered against its rules."""
    random = Random(number)
    said = contested(random, (OURS, OURS, OURS, THEIRS))
    for now in random.sample(TIMES, _CLOCKS):
        for decision in decide_all(said, OURS, now, HOME):
            place = HOME if decision.use in ON_PREMISES else EVERYWHERE
            if (right := answer(said, OURS, decision.use, now, place)) is not decision.answer:
                yield f"{decision.use} at {now[:10]} is {decision.answer}, and by the rules {right}"


def ask_clocks(number: int, counts: Counter[str]) -> Iterator[str]:
    """What history `number` is answered beyond its bounds when some of its permissions wait for a
    procedure or for a term to be over, and its notices are steps."""
    random = Random(number)
    said = clocked(random, contested(random, (OURS, OURS, OURS, THEIRS)))
    for now in random.sample(TIMES, _CLOCKS):
        place = random.choice(PLACES)
        least, most = at_least(said), at_most(said, now)
        for use in Use:
            given = decide(said, OURS, use, now, place).answer
            low, high = (answer(bound, OURS, use, now, place) for bound in (least, most))
            counts["answers with clocks"] += 1
            counts["of which the bounds are sure"] += low is high
            if given not in (low, high):
                where = place or "everywhere"
                yield f"{use} at {now[:10]} ({where}) is {given}, not from {low} to {high}"


def clocked(random: Random, said: Sequence[Statement]) -> tuple[Statement, ...]:
    """`said`, where two permissions in three wait for a clock and notices are steps of days up to a
    year before; half the time every step of a procedure was taken, and the work is free."""
    one = random.choice([Procedure.EU_LICENCE, Procedure.EU_EXCEPTION, Procedure.US_PRE_1972])
    facts = TermFacts(fixed=random.choice(["", "1950", "1971", "1990"]), published="1955")
    waiting = [(one, facts), (None, facts), (None, None)]
    made: list[Statement] = []
    for entry in said:
        if entry.kind is Kind.GRANT:
            procedure, known = random.choice(waiting)
            made.append(replace(entry, procedure=procedure, facts=known))
        elif entry.kind is Kind.NOTICE:
            step = random.choice(PROCEDURES[one].steps)
            made.append(_step(random, replace(entry, procedure=one, step=step)))
        else:
            made.append(entry)
    if made and random.random() < 0.5:
        blank = replace(
            made[0], recording=OURS, kind=Kind.NOTICE, uses=(), basis=None, ends_at="", revokes=0,
            facts=facts, procedure=one, status=Status.VERIFIED,
        )  # fmt: skip
        for step in PROCEDURES[one].steps:
            made.append(_step(random, replace(blank, id=len(made) + 1, step=step)))
        # By chance alone hardly any permission that waits covers both layers.
        asked = replace(
            blank, **_PLAIN_YES | {"layers": (Layer.RECORDING,)}, id=len(made) + 1, step=None
        )
        made += [asked, replace(
            asked, id=asked.id + 1, layers=(Layer.WORK,), procedure=None, facts=None
        )]  # fmt: skip
    return tuple(made)


def _step(random: Random, notice: Statement) -> Statement:
    day = f"{random.choice([2025, 2025, 2026])}-{random.randint(1, 6):02}-01"
    return replace(notice, begins_at=day, ends_at="")


def contested(
    random: Random, recordings: Sequence[RecordingId], *, first: int = 1
) -> tuple[Statement, ...]:
    """A history of which half the time something is taken back by whoever said it, or by another,
    and half of these times that is appealed against in turn."""
    said = [*history(random, recordings, first=first)]
    target = random.choice(said) if said else None
    while target and random.random() < 0.5:
        back = replace(
            statement(random, first + len(said), (target.recording,)),
            kind=Kind.REVOCATION, revokes=target.id, uses=(),
            issuer=random.choice([target.issuer, target.issuer, "C"]),
        )  # fmt: skip
        said.append(back)
        target = back
    return tuple(said)


def _moved(entry: Statement, now: str) -> Statement:
    """`entry` by so many days later that `now` is in the middle of its time."""
    days = date.fromisoformat(now[:10]) - date.fromisoformat(TIMES[len(TIMES) // 2][:10])

    def later(text: str) -> str:
        return f"{date.fromisoformat(text[:10]) + days}{text[10:]}" if text else ""

    return replace(
        entry,
        at=later(entry.at),
        begins_at=later(entry.begins_at),
        ends_at=later(entry.ends_at),
    )


def ask_an_archive(number: int, archive: Archive) -> Iterator[str]:
    """What the site of `archive`, or its next edition, gives out against history `number`."""
    (recording,) = (one.id for one in archive.catalogue.each())
    random = Random(number)
    first = len([*archive.ledger.statements()]) + 1
    if random.random() < 0.8:
        # Of five entries by chance hardly any two cover both layers: most archives are asked first.
        allowed = statement(random, first, (recording,))
        archive.ledger.append([replace(allowed, **_PLAIN_YES, id=0, revokes=0)])
        first += 1
    now = utc_now()
    for entry in contested(random, (recording,), first=first):
        archive.ledger.append([replace(_moved(entry, now), id=0)])
    said = [*archive.ledger.statements()]

    def right(use: Use) -> Answer:
        place = HOME if use in ON_PREMISES else EVERYWHERE
        return answer(said, recording, use, now, place)

    with TestClient(create_app(archive)) as visitor:
        for path, use in (("audio", Use.STREAM), ("download", Use.DOWNLOAD)):
            status = visitor.get(f"/recordings/{recording}/{path}").status_code
            if (status == 200) is not (right(use) is Answer.ALLOWED):
                yield f"/{path} answers {status}, and by the rules {use} is {right(use)}"
        page = visitor.get(f"/recordings/{recording}").status_code
        if (page == 200) is (right(Use.DESCRIBE) is Answer.REFUSED):
            yield f"the page answers {page}, and describe is {right(Use.DESCRIBE)}"
    yield from _published(archive, recording, right(Use.TORRENT), now)


def _published(archive: Archive, recording: RecordingId, right: Answer, now: str) -> Iterator[str]:
    plan = plan_edition(archive, now)
    try:
        edition = build_edition(archive, plan, now)
    except Refused:
        if right is Answer.ALLOWED:
            yield "no edition is built, and by the rules torrent is allowed"
        return
    sound = [*(edition.directory / "content").rglob(f"*{recording}*/*.wav")]
    if bool(sound) is not (right is Answer.ALLOWED):
        yield f"an edition has {len(sound)} sounds of it, and by the rules torrent is {right}"
    # What is published and then refused is on the list that mirrors honour.
    refusal = next(s for s in history(Random(1), (recording,), count_max=40) if s.uses)
    archive.ledger.append(
        [replace(refusal, id=0, kind=refusal.kind.REFUSAL, uses=(Use.TORRENT,), revokes=0,
                 begins_at="", ends_at="", territories=(), territories_except=())]
    )  # fmt: skip
    publish_tombstones(archive, utc_now())
    if recording not in (archive.config.editions / "tombstones.txt").read_text():
        yield "a refusal of what was published is on no list for mirrors"


def make_archive(directory: Path) -> None:
    """An archive in `directory` that holds one made-up sound, on the word of A."""
    delivery = directory / "delivery"
    delivery.mkdir(parents=True)
    noise = np.random.default_rng(5).normal(0, 4_000, 6 * _RATE_HZ)
    with wave.open(str(delivery / "sound.wav"), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(_RATE_HZ)
        output.writeframes(noise.clip(-32_000, 32_000).astype("<i2").tobytes())
    (delivery / "statements.toml").write_text(_KEPT)
    place = directory / "archive"
    roots = (Root("main", place / "vault"),)
    config = Config(directory=place, name="Consent", mandate="m", roots=roots, territory=HOME)
    with archives.create(config) as archive:
        (item,) = accession.deposit(archive, [delivery], utc_now()).items
        if item.recording is None:
            raise RuntimeError(f"the sound was not taken in: {item.findings}")


def run(first: int, count: int, deep_each: int, template: Path) -> tuple[Counter[str], list[str]]:
    """Histories `first` and on: what was counted, and a line for each that was answered wrong."""
    logging.disable(logging.INFO)
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(first, first + count):
        found = [*ask(number), *ask_clocks(number, counts)]
        counts["histories"] += 1
        counts["answers"] += _CLOCKS * len(Use)
        if deep_each and number % deep_each == 0:
            with tempfile.TemporaryDirectory(prefix="consent-") as name:
                shutil.copytree(template, Path(name) / "archive")
                with archives.open_archive(Path(name) / "archive") as archive:
                    found += ask_an_archive(number, archive)
            counts["histories through an archive, its site and an edition"] += 1
        wrong += [f"{line} --first {number} --count 1" for line in found]
    return counts, wrong


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first history")
    parser.add_argument("--count", type=int, default=LONG, metavar="N", help="how many")
    parser.add_argument(
        "--deep", type=int, default=DEEP_EACH, metavar="N", help="one in N goes all the way"
    )
    options = parser.parse_args(words)
    began = time.monotonic()
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="consent-") as name:
        make_archive(Path(name))
        template = Path(name) / "archive"
        cores = len(os.sched_getaffinity(0))
        with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
            parts = [
                pool.submit(
                    run,
                    first,
                    min(_CHUNK, options.first + options.count - first),
                    1 if options.count == 1 else options.deep,
                    template,
                )
                for first in range(options.first, options.first + options.count, _CHUNK)
            ]
            for part in parts:
                counted, found = part.result()
                counts.update(counted)
                wrong += found
                sys.stderr.write(
                    f"consent: {counts['histories']:,} histories, {len(wrong)} wrong\n"
                )
    for what, number in counts.items():
        print(f"{number:>12,}  {what}")
    for line in wrong[:_SHOWN_MAX]:
        print(f"WRONG         {line}")
    print(f"{len(wrong):>12,}  answered, served or published against what was said")
    print(f"{time.monotonic() - began:>12,.0f}  s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
