"""`tryon checks calibrate`: from what reviewers approved and rejected to the limits of the automatic checks."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tryon.checks import verdict_file
from tryon.checks.comparing import load_limits, store_limits
from tryon.checks.limits import (
    DEFAULT,
    Interval,
    Limits,
    Rejected,
    Scores,
    TooFewApprovedError,
    learn,
)
from tryon.checks.vocabulary import CHECKS_OF_REASON, WORDS
from tryon_cli.family import SENT, family_of, read_reviews
from tryon_cli.options import counted, json_option, positive, print_json, stack_options, target
from tryon_cli.review import ExportError, Review, Verdict, opinions
from tryon_cli.target import Target, TargetError

SHARE = 0.02
"""Share of right results that are flagged unless another one is asked for: 49 approved ones suffice."""

SHARES = (0.001, 0.5)


@dataclass
class Judged:
    """The results that reviewers judged, with what the checks say of them; `left` counts the others by why."""

    approved: list[Scores] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)

    def leave(self, why: str) -> None:
        """Count one that nothing is learned from."""
        self.left[why] = self.left.get(why, 0) + 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `checks`."""
    parser = commands.add_parser(
        "checks",
        help="the automatic checks of results: learn their limits from reviews",
        description="The automatic checks of results.",
    )
    inner = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    calibrate = inner.add_parser(
        "calibrate",
        help="learn the checks' limits from what reviewers approved",
        description="Learn the limits of the automatic checks from exported reviews: at most the share asked for of "
        "results like the approved ones is flagged by any check. The rejected ones say how many wrong results are "
        "found, each by the checks of its reason alone.",
        epilog="exit codes: 0 learned, 1 too few approved results, 2 wrong input",
    )
    calibrate.add_argument(
        "reviews",
        nargs="+",
        metavar="REVIEW",
        help=f"a review exported from the gallery, of any run of the stack; {SENT!r}, with --run, stands for those "
        "that shared pages sent",
    )
    calibrate.add_argument("--run", dest="run_id", metavar="RUN", help=f"the run that {SENT!r} means")
    calibrate.add_argument(
        "--share",
        type=_share,
        default=SHARE,
        help="share of right results that may be flagged, all checks together (%(default)s)",
    )
    calibrate.add_argument(
        "--store", action="store_true", help="hold the results of the next runs against these limits"
    )
    json_option(calibrate)
    stack_options(calibrate)
    calibrate.set_defaults(command=command)


def _share(text: str) -> float:
    share = positive(text)
    if not SHARES[0] <= share <= SHARES[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from {SHARES[0]} to {SHARES[1]}, such as 0.02")
    return share


def command(arguments: argparse.Namespace, console: Console) -> int:
    """Learn from the reviews, say what was learned, and store it where that was asked for."""
    errors = Console(stderr=True)
    found = target(arguments)
    try:
        judged = judge(found, read_reviews(found, arguments.reviews, arguments.run_id))
        limits = learn(
            judged.approved,
            judged.rejected,
            share=arguments.share,
            name=DEFAULT.name,
            created=found.clock.now(),
            runs=judged.runs,
            current=load_limits(found.s3, found.bucket),
        )
    except (ExportError, TooFewApprovedError) as error:
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2 if isinstance(error, ExportError) else 1
    if arguments.store:
        store_limits(found.s3, found.bucket, limits)
    if arguments.json:
        print_json(console, {**limits.model_dump(mode="json"), "left": judged.left, "stored": arguments.store})
    else:
        _show(console, limits, judged, stored=arguments.store)
    return 0


def judge(found: Target, by_run: Mapping[str, Sequence[Review]]) -> Judged:
    """What reviewers and checks say of each result; raises `TargetError` where no run of theirs was checked."""
    judged = Judged()
    seen: set[str] = set()
    for run_id, reviews in by_run.items():
        family = family_of(found, run_id)
        runs = [run.run_id for run in family.runs]
        verdicts = verdict_file.read_all(found.s3, found.bucket, runs)
        if verdicts is None:
            raise TargetError(f"the results of run {run_id} were not checked: nothing can be learned from it")
        judged.runs.append(run_id)
        for picture, opinion in opinions(reviews).items():
            stored = family.result(picture)
            verdict = verdicts.of(stored.key) if stored else None
            if stored is None or stored.key in seen:
                judged.leave("not there any more" if stored is None else "judged twice, in reviews of two runs")
            elif verdict is None or not verdict.scores:
                judged.leave("unchecked")
            elif opinion.verdict is Verdict.DISPUTED:
                judged.leave("disputed: reviewers differ")
            elif opinion.verdict is Verdict.APPROVED:
                judged.approved.append(verdict.scores)
            else:
                judged.rejected.append(Rejected(verdict.scores, frozenset(opinion.reasons)))
            if stored is not None:
                seen.add(stored.key)
    return judged


def _show(console: Console, limits: Limits, judged: Judged, *, stored: bool) -> None:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    say(
        f"learned from {counted(limits.approved, 'approved result')} and {limits.rejected} rejected of "
        f"{counted(len(limits.runs), 'run')}"
    )
    for why, count in judged.left.items():
        say(f"  {count} left out: {why}")
    say(f"at most {limits.share:.1%} of results like the approved ones will be flagged, by one limit of all checks")
    if limits.recall is None or not limits.recall.of:
        say("nothing is known of how many wrong results this finds: none was rejected for what a check looks for")
    else:
        say(f"of those rejected for what a check looks for, {_told(limits.recall)} are flagged by such a check")
        view = Table(box=None, header_style="bold")
        for column in ("rejected for", "flagged by a check of it"):
            view.add_column(column, no_wrap=True)
        for reason, interval in limits.by_reason.items():
            view.add_row(reason, _told(interval) if CHECKS_OF_REASON[reason] else "no check looks for it")
        console.print(view)
    unsaid = sum(not one.reasons for one in judged.rejected)
    if unsaid:
        say(f"{unsaid} rejected without a reason: those count for no check")
    for check in limits.off:
        say(f"switched off, since its flags were mostly wrong: {check.value} ({WORDS[check].lower()})")
    say(
        f"stored as {limits.key}: the next runs' results are held against these limits"
        if stored
        else "not stored: with --store the next runs' results are held against these limits"
    )


def _told(interval: Interval) -> str:
    if not interval.of:
        return "none"
    share = interval.hits / interval.of
    return f"{interval.hits} of {interval.of} ({share:.0%}, 95 %: {interval.low:.0%} to {interval.high:.0%})"
