"""What can be typed. Imports nothing heavy, so that `--help` is instant."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn, TypeAlias

from sonotheque import __version__
from sonotheque.cli.catalogue_parser import add_catalogue
from sonotheque.cli.checking_parser import add_check
from sonotheque.cli.desk_parser import add_desk
from sonotheque.cli.watching_parser import add_watch
from sonotheque.errors import BadInput
from sonotheque.model.procedures import Procedure, Step
from sonotheque.model.terms import Basis, Layer, Use

ARCHIVE_VARIABLE = "SONOTHEQUE_ARCHIVE"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(message, where=self.prog, remedy=f"see `{self.prog} --help`")


_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Every command's `run` names the function that carries it out."""
    parser = _Parser(
        prog="sonotheque",
        description="A lawful, long-term preservation archive of recorded music.",
        epilog="Exit codes: 0 done, 1 the answer is no, 2 bad input, 3 the environment.",
    )
    parser.add_argument("--version", action="version", version=f"sonotheque {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _keeping(commands)
    _exchanging(commands)
    _finding(commands)
    _proofs(_rights(commands))
    _publishing(commands)
    _serving(commands)
    return parser


def _keeping(commands: _Commands) -> None:
    init = _command(commands, "init", "keeping:init", "make an archive", archive=False)
    init.add_argument("directory", metavar="DIR", type=Path)
    init.add_argument("--name", required=True, help="what the archive is called")
    init.add_argument("--mandate", required=True, help="the legal basis on which it keeps music")
    init.add_argument("--contact", default="", help="where rights holders reach it")
    init.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="DIR|s3://…",
        help="another storage root, on another disk or in another house; repeatable",
    )
    init.add_argument(
        "--endpoint",
        default="",
        metavar="URL",
        help="where the s3:// roots are, if not at AWS (default $AWS_ENDPOINT_URL)",
    )
    deposit = _command(commands, "deposit", "keeping:deposit", "take in recordings")
    deposit.add_argument("paths", metavar="PATH", nargs="+", type=Path)
    deposit.add_argument(
        "--statements", type=Path, metavar="FILE", help="who allows what (TOML; see the handbook)"
    )
    audit = _command(commands, "audit", "auditing:audit", "check every copy of every holding")
    audit.add_argument("--heal", action="store_true", help="replace what is wrong from a good copy")
    audit.add_argument(
        "--renew",
        action="append",
        default=[],
        metavar="ROOT",
        help="with --heal: this root was lost whole, fill it anew in the empty place it has now",
    )
    audit.add_argument("--only", metavar="ID", help="one recording alone")
    audit.add_argument(
        "--within", metavar="SPAN", help="leave out what was found whole so lately: 30d, 12h, 4w"
    )
    audit.add_argument("--rate", metavar="RATE", help="read so much from each root: 50MB/s")
    audit.add_argument("--premis", type=Path, metavar="FILE", help="the events as PREMIS 3, too")
    audit.add_argument(
        "--run", dest="earlier", metavar="RUN", help="of this earlier run; nothing is checked"
    )
    prove = _command(commands, "prove", "proving:prove", "how well is this archive preserved?")
    prove.add_argument(
        "--profile", choices=["ndsa2"], default="ndsa2", help="NDSA Levels 2.0 (the default)"
    )
    prove.add_argument(
        "--level",
        type=int,
        choices=range(1, 5),
        default=1,
        metavar="N",
        help="what every area must reach for exit code 0 (1)",
    )
    prove.add_argument("--out", type=Path, metavar="FILE", help="a page of it as well (HTML)")
    prove.add_argument("--language", choices=["en", "fr"], default="en", help="of the page")
    _command(commands, "rebuild", "keeping:rebuild", "restore the database from vault and ledger")


def _exchanging(commands: _Commands) -> None:
    adopt = _command(
        commands, "adopt", "exchanging:adopt", "take in the objects of another OCFL storage root"
    )
    adopt.add_argument("root", metavar="ROOT", type=Path)
    adopt.add_argument(
        "--origin", default="", metavar="TEXT", help="whose it was; default: the directory's name"
    )
    export = _command(
        commands, "export", "exchanging:export", "write holdings out as bags, for another archive"
    )
    export.add_argument(
        "which", metavar="ID", nargs="+", help="a recording, or the identifier of an object"
    )
    export.add_argument("--to", required=True, type=Path, metavar="DIR", help="where the bags go")
    export.add_argument(
        "--as", choices=["bag"], default="bag", metavar="FORMAT", dest="format", help="bag"
    )


def _finding(commands: _Commands) -> None:
    find = _command(commands, "find", "finding:find", "look for recordings by words")
    find.add_argument("query", metavar="QUERY", nargs="+")
    find.add_argument("--limit", type=_positive, default=20, metavar="N")
    show = _command(commands, "show", "finding:show", "everything about one recording")
    show.add_argument(
        "which", metavar="ID|ISRC|UPC|SOURCE:ID", help="an identifier of any of these kinds"
    )
    match = _command(commands, "match", "finding:match", "is this sound in the archive already?")
    match.add_argument("files", metavar="FILE", nargs="+", type=Path)
    match.add_argument(
        "--svg", type=Path, metavar="OUT.svg", help="draw how the one FILE lies on its best match"
    )
    match.add_argument("--language", choices=["en", "fr"], default="en", help="of the picture")
    add_check(commands, _command)
    add_watch(commands, _command)
    add_catalogue(commands, _command)


def _rights(commands: _Commands) -> _Commands:
    rights = commands.add_parser("rights", help="who allowed what, and what follows from it")
    actions = rights.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = _command(
        actions, "show", "rights:show", "the ledger, or its entries about one recording"
    )
    show.add_argument("which", metavar="ID", nargs="?")
    decide = _command(actions, "decide", "rights:decide", "may it be put to this use, and why?")
    decide.add_argument("which", metavar="ID")
    decide.add_argument(
        "use", choices=[use.value for use in Use], metavar="USE", help=", ".join(Use)
    )
    decide.add_argument(
        "--territory", default="", metavar="COUNTRY", help="there alone; default: everywhere"
    )
    decide.add_argument("--at", default="", metavar="DATE", help="as of that day; default: now")
    clear = _command(
        actions, "clear", "clearing:clear", "a table: may each recording be put to each use?"
    )
    clear.add_argument("--out", required=True, type=Path, metavar="FILE", help="Parquet")
    for name, function, text in (
        ("grant", "rights:grant", "enter a verified permission"),
        ("claim", "rights:claim", "enter a permission that nobody has verified yet"),
    ):
        grant = _command(actions, name, function, text)
        grant.add_argument("which", metavar="ID")
        _said_by(grant)
        _permission(grant)
        grant.add_argument(
            "--procedure",
            choices=[procedure.value for procedure in Procedure],
            metavar="PROCEDURE",
            help=f"it waits for it: {', '.join(Procedure)}",
        )
        _term_facts(grant)
    _clocks(actions)
    read = _command(actions, "read", "dealing:read", "what a DDEX message allows and takes down")
    read.add_argument("message", type=Path, metavar="MESSAGE")
    read.add_argument("--enter", action="store_true", help="enter it, as its sender's claims")
    read.add_argument(
        "--party", default="", metavar="DPID", help="whom the archive is to the sender"
    )
    _restrictions(actions)
    add_desk(actions, _command)
    return actions


def _restrictions(actions: _Commands) -> None:
    refuse = _command(actions, "refuse", "rights:refuse", "enter a no to some uses")
    refuse.add_argument("which", metavar="ID")
    _said_by(refuse)
    refuse.add_argument(
        "--use",
        action="append",
        required=True,
        choices=[use.value for use in Use],
        metavar="USE",
        dest="uses",
        help=f"repeatable: {', '.join(Use)}",
    )
    takedown = _command(actions, "takedown", "rights:takedown", "suspend every use but keeping it")
    takedown.add_argument("which", metavar="ID")
    _said_by(takedown)
    revoke = _command(actions, "revoke", "rights:revoke", "take back an entry")
    revoke.add_argument("statement", metavar="STATEMENT", type=_positive)
    _said_by(revoke)


def _proofs(actions: _Commands) -> None:
    prove = _command(
        actions, "prove", "evidence:prove", "write a proof that an entry is in the log"
    )
    prove.add_argument("statement", metavar="STATEMENT", type=_positive, nargs="?")
    prove.add_argument("--out", required=True, type=Path, metavar="FILE", help="where it goes")
    prove.add_argument(
        "--since",
        type=Path,
        metavar="CHECKPOINT",
        help="in place of STATEMENT: that the log only grew since this checkpoint",
    )
    prove.add_argument(
        "--reveal", action="store_true", help="with the name and the evidence of a private entry"
    )
    verify = _command(
        actions, "verify", "evidence:verify", "check a proof, or a whole log", archive=False
    )
    verify.add_argument(
        "file", metavar="FILE", type=Path, help="a proof, or the directory of a ledger"
    )
    verify.add_argument(
        "--key", required=True, metavar="KEY", help="the archive's public key, or a file with it"
    )
    verify.add_argument(
        "--since", type=Path, metavar="CHECKPOINT", help="the older checkpoint that you kept"
    )
    verify.add_argument(
        "--succession",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a note by which a key names the next; repeatable",
    )
    verify.add_argument(
        "--witness",
        action="append",
        default=[],
        metavar="KEY",
        help="the key of a witness that must have cosigned; repeatable",
    )
    _command(actions, "rotate-key", "evidence:rotate_key", "go from the signing key to a new one")
    erase = _command(actions, "erase", "rights:erase", "erase who made a private entry, and why")
    erase.add_argument("statement", metavar="STATEMENT", type=_positive)
    _command(actions, "witnesses", "evidence:witnesses", "who cosigns the ledger, and whose we do")


def _permission(grant: argparse.ArgumentParser) -> None:
    grant.add_argument("--licence", default="", metavar="SPDX|URL")
    grant.add_argument(
        "--basis",
        choices=[basis.value for basis in Basis],
        metavar="BASIS",
        help=", ".join(Basis),
    )
    grant.add_argument(
        "--use",
        action="append",
        choices=[use.value for use in Use],
        default=[],
        metavar="USE",
        dest="uses",
    )
    grant.add_argument(
        "--layer",
        action="append",
        choices=[layer.value for layer in Layer],
        default=[],
        metavar="LAYER",
        dest="layers",
        help=", ".join(Layer) + "; default: the track as a whole",
    )
    grant.add_argument(
        "--territory",
        action="append",
        default=[],
        metavar="COUNTRY",
        dest="territories",
        help="where it holds (ISO 3166-1); repeatable; default: everywhere",
    )
    grant.add_argument(
        "--except",
        action="append",
        default=[],
        metavar="COUNTRY",
        dest="territories_except",
        help="where it does not; repeatable",
    )
    grant.add_argument(
        "--article",
        default="",
        metavar="TEXT",
        help="the law and its article, for an exception",
    )
    grant.add_argument("--from", default="", metavar="DATE", dest="begins_at")
    grant.add_argument("--until", default="", metavar="DATE", dest="ends_at")


def _clocks(actions: _Commands) -> None:
    notice = _command(actions, "notice", "rights:notice", "enter a step of a legal procedure")
    notice.add_argument("which", metavar="ID")
    notice.add_argument(
        "--procedure",
        required=True,
        choices=[procedure.value for procedure in Procedure],
        metavar="PROCEDURE",
        help=", ".join(Procedure),
    )
    notice.add_argument(
        "--step",
        required=True,
        choices=[step.value for step in Step],
        metavar="STEP",
        help=", ".join(Step),
    )
    notice.add_argument("--on", required=True, metavar="DATE", help="when it was taken")
    _said_by(notice)
    _term_facts(notice)
    calendar = _command(
        actions, "calendar", "calendar:calendar", "what becomes or ceases to be allowed, and when"
    )
    calendar.add_argument(
        "--until", default="", metavar="DATE", help="up to that day; default: a year from now"
    )
    calendar.add_argument(
        "--territory", default="", metavar="COUNTRY", help="there alone; default: everywhere"
    )
    calendar.add_argument(
        "--limit", type=_positive, default=200, metavar="N", help="so many entries at most (200)"
    )


def _term_facts(parser: argparse.ArgumentParser) -> None:
    """What a term of protection is reckoned from."""
    facts = parser.add_argument_group("facts about the term of protection")
    facts.add_argument("--fixed", default="", metavar="DATE", help="when it was recorded")
    for name, event in (
        ("published", "copies were first lawfully published"),
        ("communicated", "it was first lawfully communicated to the public"),
        ("work-published", "the work was first published, as sheet music"),
    ):
        facts.add_argument(f"--{name}", default="", metavar="DATE|never", help=f"when {event}")
    facts.add_argument("--for-hire", choices=["yes", "no"], default="", help="made for hire (US)")
    facts.add_argument(
        "--authors", type=_positive, default=0, metavar="N", help="how many wrote words and music"
    )
    facts.add_argument(
        "--died",
        type=_positive,
        action="append",
        default=[],
        metavar="YEAR",
        help="when one of them died; repeatable",
    )


def _publishing(commands: _Commands) -> None:
    select = _command(commands, "select", "publishing:select", "what to keep and publish first")
    select.add_argument("--budget", required=True, metavar="SIZE", help="10TB, 500GB …")
    select.add_argument("--policy", type=Path, metavar="FILE")
    select.add_argument("--explain", metavar="ID", help="why one recording stands where it does")
    publish = _command(commands, "publish", "publishing:publish", "build the next edition")
    publish.add_argument(
        "--plan", action="store_true", help="say what would be in it, build nothing"
    )
    mirror = _command(
        commands, "mirror", "publishing:mirror", "copy an edition and verify it", archive=False
    )
    mirror.add_argument("source", metavar="DIR", type=Path, help="an edition's directory")
    mirror.add_argument("--to", required=True, metavar="DIR", type=Path)
    mirror.add_argument(
        "--peer", metavar="HOST:PORT", help="fetch the content by torrent from here"
    )
    mirror.add_argument(
        "--tombstones",
        default="",
        metavar="FILE|URL",
        help="the archive's list of what was withdrawn; default: the one beside the edition",
    )
    mirror.add_argument("--key", metavar="KEY", help="the archive's public key, had from elsewhere")
    seed = _command(commands, "seed", "publishing:seed", "offer the newest edition by torrent")
    seed.add_argument("--host", default="127.0.0.1")
    seed.add_argument("--port", type=_port, default=6881)
    simulate = commands.add_parser("simulate", help="worlds to measure in")
    worlds = simulate.add_subparsers(title="worlds", metavar="WORLD", required=True)
    universe = _command(
        worlds, "universe", "publishing:universe", "a synthetic catalogue", archive=False
    )
    universe.add_argument("--recordings", type=_positive, required=True, metavar="N")
    universe.add_argument("--seed", type=int, required=True, metavar="S")
    universe.add_argument("--out", type=Path, required=True, metavar="DIR")
    durability = _command(
        worlds, "durability", "publishing:durability", "how long an archive lasts", archive=False
    )
    durability.add_argument(
        "--assumptions", type=Path, metavar="FILE", help="what differs in yours (TOML)"
    )


def _serving(commands: _Commands) -> None:
    serve = _command(commands, "serve", "serving:serve", "open the reading room")
    _address(serve)
    demo = _command(
        commands, "demo", "serving:demo", "the whole story on real music", archive=False
    )
    demo.add_argument(
        "--directory", type=Path, default=Path("demo"), metavar="DIR", help="made anew each time"
    )
    demo.add_argument("--no-serve", action="store_true", help="end after the story")
    _address(demo)


def _address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8080)


def _said_by(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who says so")
    parser.add_argument("--evidence", required=True, metavar="TEXT", help="where that can be seen")
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="what the evidence is: its digest is entered"
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="NAME is a person: keep name and evidence out of the public ledger",
    )


def _command(
    commands: _Commands,
    name: str,
    run: str,
    text: str,
    *,
    archive: bool = True,
) -> argparse.ArgumentParser:
    sentence = text[0].upper() + text[1:]
    description = sentence if sentence.endswith("?") else f"{sentence}."
    parser = commands.add_parser(name, help=text, description=description)
    parser.set_defaults(run=f"sonotheque.cli.{run}")
    parser.add_argument("--json", action="store_true", help="answer with one JSON document")
    if archive:
        parser.add_argument(
            "--archive",
            type=Path,
            metavar="DIR",
            default=Path(os.environ.get(ARCHIVE_VARIABLE) or "archive"),
            help=f"default: ${ARCHIVE_VARIABLE}, else ./archive",
        )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number over 0")
    return number


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is not a port number from 0 to 65535")
    return number
