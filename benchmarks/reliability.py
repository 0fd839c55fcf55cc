"""Let each fault happen once and write what came of it into docs/reliability.md.

`python -m benchmarks.reliability` writes, `--check` says whether the page is what the code does.
"""

import argparse
import contextlib
import io
import json
import sys
import warnings
from dataclasses import dataclass

from benchmarks.sections import DOCS, Section
from tests.workflow.histories import Ending, History, Repeated, Rotated, Stopped, Theatre, theatre
from tests.workflow.weakenings import WITHOUT
from tryon_local.aws.faults import STATES, AwsFault, Killed, Refused, Throttled, Unanswered
from tryon_local.service.faults import (
    Answer,
    Candidates,
    Cut,
    Expires,
    Fails,
    Fault,
    HiddenAtFirst,
    Mislabel,
    NeverDone,
    NoConnection,
    Page,
    Redirect,
    Reset,
    Silence,
    Slow,
    Takes,
)

PLACE = Section(DOCS / "reliability.md", "matrix")


def _service(call: str, action: object, *nth: int) -> History:
    return History(service=(Fault(call, action, nth=nth),))  # type: ignore[arg-type]


def _aws(call: str, action: object, *nth: int, by: str = "") -> History:
    return History(aws=(AwsFault(call, action, nth, by),))  # type: ignore[arg-type]


def _in_parts(call: str, action: object, *nth: int, by: str = "") -> History:
    """A fault of a run that is planned and drawn in parts: two for its pictures, and one for each of its entries."""
    return History(aws=(AwsFault(call, action, nth, by),), parts=True)  # type: ignore[arg-type]


_FULL = Refused("ProvisionedThroughputExceededException")
_SLOW = Refused("SlowDown", 503)

FAULTS: dict[str, History] = {
    "submit: 429 without Retry-After, twice": _service("submit", Answer(50429), 1, 2),
    "submit: 429 with Retry-After, twice": _service("submit", Answer(50429, retry_after="3"), 1, 2),
    "submit: too many tasks (50430), three times": _service("submit", Answer(50430), 1, 2, 3),
    "submit: 500, once": _service("submit", Answer(50500), 1),
    "submit: 500, always": _service("submit", Answer(50500)),
    "submit: no connection, once": _service("submit", NoConnection(), 1),
    "submit: reset while being sent": _service("submit", Reset(unread=True), 1),
    "submit: reset before it was carried out": _service("submit", Reset(), 1),
    "submit: reset after the task was made": _service("submit", Reset(processed=True), 1),
    "submit: silence, no task made": _service("submit", Silence(), 1),
    "submit: silence, task made": _service("submit", Silence(processed=True), 1),
    "submit: HTML with 200, task made": _service("submit", Page(processed=True), 1),
    "submit: answer cut in half": _service("submit", Cut(), 1),
    "submit: wrong content type": _service("submit", Mislabel("text/html"), 1),
    "submit: input refused": _service("submit", Answer(50411), 1),
    "poll: 500, twice": _service("result", Answer(50500), 2, 3),
    "poll: HTML with 502": _service("result", Page(http=502), 2),
    "poll: silence": _service("result", Silence(), 2),
    "task: not found just after submit": _service("task", HiddenAtFirst(polls=1)),
    "task: expired": _service("task", Expires()),
    "task: never done": _service("task", NeverDone()),
    "task: done after the deadline": _service("task", Takes(310.0)),
    "task: done with a failing code": _service("task", Fails(50520)),
    "task: result refused by the service": _service("task", Fails(50511)),
    "task: done without a picture": _service("task", Candidates(0)),
    "download: 503, once": _service("download", Page(http=503), 1),
    "download: 503, always": _service("download", Page(http=503)),
    "download: HTML with 200": _service("download", Page()),
    "download: redirect into the network": _service("download", Redirect("https://169.254.169.254/")),
    "download: body cut, once": _service("download", Cut(), 1),
    "download: body trickles for 200 s": _service("download", Slow(200.0), 1),
    "event delivered twice at once": History(accidents=(Repeated(0.0),)),
    "event delivered again late": History(accidents=(Repeated(100.0),)),
    "keys rotated in mid-run": History(accidents=(Rotated(6.0),)),
    "keys refused for 30 s, then rotated": History(accidents=(Rotated(6.0, 30.0),)),
    "execution stopped by hand": History(accidents=(Stopped(20.0),)),
    **{
        f"{name}: function killed {when}": _aws(f"{name.title()}Function", Killed(when), 1)
        for name in ("plan", "reserve", "submit", "poll", "download", "summarize")
        for when in ("before", "after")
    },
    "submit: function killed between payment and ledger": _aws(
        "dynamodb.UpdateItem", Killed("before"), 2, by="SubmitFunction"
    ),
    **{
        f"{name}: function throttled": _aws(f"{name.title()}Function", Throttled(), 1)
        for name in ("submit", "poll", "download")
    },
    **{
        f"{name}: DynamoDB throttles a write": _aws("dynamodb.UpdateItem", _FULL, 1, by=f"{name.title()}Function")
        for name in ("plan", "submit", "poll", "download", "summarize")
    },
    "reserve: DynamoDB throttles a write": _aws("dynamodb.PutItem", _FULL, 1, by="ReserveFunction"),
    "gate: a condition fails three times": _aws(
        "dynamodb.PutItem", Refused("ConditionalCheckFailedException"), 1, 2, 3, by="ReserveFunction"
    ),
    "submit: DynamoDB's answer to the first write lost": _aws(
        "dynamodb.UpdateItem", Unanswered(), 1, by="SubmitFunction"
    ),
    "claim: DynamoDB's answer lost": _aws("dynamodb.PutItem", Unanswered(), 1, by=STATES),
    "plan: S3 says slow down": _aws("s3.PutObject", _SLOW, 1, by="PlanFunction"),
    "map: S3 says slow down": _aws("s3.GetObject", _SLOW, 1, by=STATES),
    "map: S3 takes nothing that children returned": _aws("s3.PutObject", _SLOW, by=STATES),
    "submit: S3 says slow down": _aws("s3.GetObject", _SLOW, 1, by="SubmitFunction"),
    "download: S3 says slow down, once": _aws("s3.PutObject", _SLOW, 1, by="DownloadFunction"),
    "download: S3 says slow down, always": _aws("s3.PutObject", _SLOW, by="DownloadFunction"),
    "wake-up refused by Step Functions": _aws("sfn.SendTaskSuccess", Refused("ThrottlingException"), 1),
    "notify: SNS down, once": _aws("sns.Publish", Refused("InternalErrorException", 500), 1),
    "notify: SNS down, always": _aws("sns.Publish", Refused("InternalErrorException", 500)),
    "check: function killed, always": _aws("CheckFunction", Killed("before")),
    "check: DynamoDB takes nothing of it": _aws("dynamodb.UpdateItem", _FULL, by="CheckFunction"),
    "compare: function killed, always": _aws("CompareFunction", Killed("before")),
    "plan: a part's function killed, always": _in_parts("PlanFunction", Killed("before"), *range(2, 14)),
    "plan: function killed after it wrote an entry": _in_parts("PlanFunction", Killed("after"), 4),
    "gallery: function killed, once": _in_parts("GalleryFunction", Killed("before"), 1),
    "gallery: function killed, always": _in_parts("GalleryFunction", Killed("before")),
    "gallery: S3 takes nothing of it": _in_parts("s3.PutObject", _SLOW, by="GalleryFunction"),
    **{f"end: function killed {when}": _in_parts("SummarizeFunction", Killed(when), 2) for when in ("before", "after")},
    # The stage's judge is a function that is not there.
    "judge of one's own: gives no answer": History(),
}
"""One combination, one fault."""

SLOTS = 2
"""One more than the combination needs: a second task that is one too many would be made, and paid for."""


@dataclass(frozen=True)
class Row:
    """What one fault came to."""

    fault: str
    combination: str
    run: str
    money: str
    message: str
    safeguard: str

    def __str__(self) -> str:
        told = (self.fault, self.combination, self.run, self.money, self.message, self.safeguard)
        return f"| {' | '.join(told)} |\n"


def row(fault: str, ending: Ending) -> Row:
    """What came of a fault."""
    return Row(fault, _combination(ending), _run(ending), _money(ending), _message(ending), WITHOUT[fault].name)


def _combination(ending: Ending) -> str:
    entries = ending.ended.entries if ending.ended else []
    return "; ".join(entry.error or entry.status.value.lower() for entry in entries) or "not planned"


def _run(ending: Ending) -> str:
    if ending.ended is None:
        return "none"
    return f"{ending.ended.status}, execution {ending.ended.execution['status']}"


def _money(ending: Ending) -> str:
    unknown = any(entry.outcome_unknown for entry in (ending.ended.entries if ending.ended else []))
    made = ending.payments.total()
    return f"{made} paid" + (", reported as unknown" if unknown else "")


def _message(ending: Ending) -> str:
    told = [json.loads(one["Message"]) for one in (ending.ended.notifications if ending.ended else [])]
    if not told:
        return "none: the record and the failed execution say so"
    return "; ".join(one["status"] for one in told)


def matrix() -> str:
    """The table of all faults in Markdown."""
    warnings.simplefilter("ignore")
    lines = ["| fault | combination | run | money | message | safeguard |\n", "|---|---|---|---|---|---|\n"]
    with contextlib.redirect_stdout(io.StringIO()), theatre(SLOTS) as stage:
        for fault, history in FAULTS.items():
            ending = stage.play(history)
            ending.check()
            lines.append(str(row(fault, ending)))
    return "".join(lines)


def written() -> dict[str, str]:
    """The lines of the page's table by their fault."""
    table = PLACE.text().splitlines(keepends=True)[2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in table}


def confirm(fault: str, stage: Theatre) -> None:
    """Let a fault happen. Raises AssertionError unless the page's line says what came of it and all rules hold."""
    ending = stage.play(FAULTS[fault])
    if str(row(fault, ending)) != written()[fault]:
        raise AssertionError(f"{PLACE.page.name} says otherwise of this fault: {row(fault, ending)}")
    ending.check()


def main() -> int:
    """Write or check the page; 1 when it differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    fresh = matrix()
    if check:
        differs = fresh != PLACE.text()
        if differs:
            sys.stderr.write(
                f"{PLACE.page.name} is not what the code does: .venv/bin/python -m benchmarks.reliability writes it\n"
            )
        return int(differs)
    PLACE.write(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
