"""What can be typed after `rights desk`. Imports nothing heavy, so that `--help` is instant."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonotheque.model.terms import Layer, Use


def add_desk(actions: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `rights desk` to the actions of `rights`; `command` makes one command."""
    desk = actions.add_parser("desk", help="what people ask for, case by case")
    steps = desk.add_subparsers(title="steps", metavar="STEP", required=True)
    listing = command(steps, "list", "desk:listing", "the cases that wait for a decision")
    listing.add_argument("--all", action="store_true", help="those that do not, too")
    show = command(steps, "show", "desk:show", "one case: what was asked, said and decided")
    show.add_argument("case", metavar="CASE")
    opened = command(steps, "open", "desk:open_case", "open a case for somebody who wrote to you")
    opened.add_argument("which", metavar="ID")
    opened.add_argument(
        "--ask", choices=["claim", "takedown"], required=True, help="claim, or takedown of all uses"
    )
    opened.add_argument("--by", required=True, metavar="NAME", help="who asks")
    opened.add_argument(
        "--public", action="store_true", help="the name may stand in the ledger, for good"
    )
    opened.add_argument("--contact", required=True, metavar="TEXT", help="where to answer them")
    _statement(opened, "--said", "said", "what they say, and why it is theirs")
    for option, name, word in (("--allow", "allowed", "yes"), ("--refuse", "refused", "no")):
        opened.add_argument(
            option,
            action="append",
            default=[],
            choices=[use.value for use in Use],
            metavar="USE",
            dest=name,
            help=f"they say {word} to it; repeatable",
        )
    opened.add_argument(
        "--layer",
        action="append",
        default=[],
        choices=[layer.value for layer in Layer],
        metavar="LAYER",
        dest="layers",
        help="what is theirs: recording (the default), work; repeatable",
    )
    _documents(opened)
    invite = command(steps, "invite", "desk:invite", "give the other side a link to the case")
    invite.add_argument("case", metavar="CASE")
    invite.add_argument("--name", required=True, help="who they are; the claimant sees it")
    invite.add_argument("--contact", required=True, metavar="TEXT", help="where to reach them")
    answer = command(steps, "answer", "desk:answer", "note what a party says before the decision")
    _of_a_party(answer)
    _statement(answer, "--said", "said", "what they say")
    _documents(answer)
    appeal = command(steps, "appeal", "desk:appeal", "note a party's appeal against the decision")
    _of_a_party(appeal)
    _statement(appeal, "--because", "because", "why it was wrong")
    decide = command(steps, "decide", "desk:decide", "decide a case, or the appeal")
    decide.add_argument("case", metavar="CASE")
    decide.add_argument("--by", required=True, metavar="NAME", help="who of the archive decides")
    outcome = decide.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--uphold", action="store_true", help="it is as the claimant says")
    outcome.add_argument("--reject", action="store_true", help="it is not")
    _statement(decide, "--because", "because", "the reason, which both sides read")
    command(steps, "notify", "desk:notify", "hand over the notices that wait")


def _of_a_party(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE")
    parser.add_argument(
        "--side", choices=["claimant", "other"], required=True, help="claimant, or other"
    )


def _statement(parser: argparse.ArgumentParser, option: str, name: str, text: str) -> None:
    parser.add_argument(option, required=True, metavar="TEXT", dest=name, help=text)


def _documents(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--document",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        dest="documents",
        help="what they handed in; repeatable",
    )
