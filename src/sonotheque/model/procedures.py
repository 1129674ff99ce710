"""What a statement says of a legal procedure, and of the facts that a term of protection needs.

Dates are texts, as people know them: "1955", "1972-02-14", NEVER, or empty where nobody has said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NEVER = "never"


class Procedure(StrEnum):
    """A way that a law opens, step by step, to a use that nobody has licensed one by one."""

    EU_LICENCE = "eu-out-of-commerce-licence"
    """A collective licence for out-of-commerce works: Directive (EU) 2019/790, article 8(1)."""
    EU_EXCEPTION = "eu-out-of-commerce-exception"
    """The exception where no collective management organisation represents them: article 8(2)."""
    US_PRE_1972 = "us-pre-1972"
    """Non-commercial use of recordings fixed before 15 February 1972: 17 USC 1401(c)."""
    EU_TERMINATION = "eu-performer-termination"
    """The performer ends the transfer to the producer: Directive 2006/116/EC, article 3(2a)."""


class Step(StrEnum):
    """One thing done in a procedure. What it means is said with the procedure's rules."""

    HELD = "held"
    """It is permanently in the collection of a cultural heritage institution."""
    SEARCHED = "searched"
    """A reasonable search found that it is not in commerce."""
    UNREPRESENTED = "unrepresented"
    """No collective management organisation is representative for it."""
    LICENSED = "licensed"
    """A collective management organisation has licensed it."""
    PUBLISHED = "published"
    """It was announced on the portal for out-of-commerce works."""
    FILED = "filed"
    """A notice of non-commercial use was filed with the Copyright Office."""
    INDEXED = "indexed"
    """That notice is in the Copyright Office's public index."""
    NOTIFIED = "notified"
    """The performer told the producer of the intention to end the contract."""
    EXPLOITED = "exploited"
    """The producer offers copies for sale and makes it available online."""
    TERMINATED = "terminated"
    """The performer has ended the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermFacts:
    """What a term of protection is reckoned from; each fact may be missing.

    `published` and `communicated` are the first lawful publication of copies and the first
    lawful communication to the public, anywhere. `authors` is how many people made words and
    music, `died` the years in which those of them died whose deaths are known.
    """

    fixed: str = ""
    published: str = ""
    communicated: str = ""
    for_hire: bool | None = None
    """Of a recording under the law of the United States: made for hire."""
    authors: int = 0
    died: tuple[int, ...] = ()
    work_published: str = ""
    """When the work was first published: for music, as sheet music."""
