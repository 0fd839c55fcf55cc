"""What is said when a run ends: text for people, JSON for queues."""

import json
import unicodedata
from dataclasses import asdict, replace
from urllib.parse import quote

from tryon.reporting.summary import Summary
from tryon.text import cut, escaped_bytes

MAX_SUBJECT = 99
"""SNS asks for fewer than 100 characters, without line breaks and control characters; its older pages for ASCII that
begins with a letter, a number or a punctuation mark."""

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""By partition, the host of AWS's console behind the region; the template's `Partitions` says the same."""

_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
_INDIVISIBLE = str.maketrans(_LETTERS | {"Æ": "Ae", "Œ": "Oe", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "Th"})
"""Latin letters that Unicode does not take apart into one without an accent and the accent."""

MAX_MESSAGE = 200_000
"""Most bytes of a message, as `escaped_bytes` counts them: SNS takes 262,144, and so does the state that it passes."""

_SHORTER = ((1_000, 10, 4_000), (100, 3, 500), (30, 3, 300), (5, 1, 200))
"""How many reasons a message holds, examples of each and bytes of each text, until it is short enough."""


class NotificationError(Exception):
    """Nobody could be told how a run ended; the state machine fails with this name."""


def subject(run: Summary) -> str:
    """One line of printable ASCII for a mailbox: a long name is cut, the counts never."""
    counts = ": nothing left to do" if run.nothing_left else f": {run.succeeded} of {run.total}"
    if run.failed:
        counts += f", {run.failed} failed"
    room = MAX_SUBJECT - len("tryon: ") - len(counts)
    name = _ascii_name(run)
    return f"tryon: {name if len(name) <= room else name[: room - 3].rstrip() + '...'}{counts}"


def _ascii_name(run: Summary) -> str:
    """The run's name without its accents, or its id where ASCII cannot hold the name."""
    plain, lost = [], False
    for char in unicodedata.normalize("NFKD", run.name.translate(_INDIVISIBLE)):
        if " " <= char <= "~":
            plain.append(char)
        elif unicodedata.category(char)[0] in "LN":
            lost = True
        elif not unicodedata.combining(char):
            plain.append(" ")
    text = " ".join("".join(plain).split())
    if text and not lost:
        return text
    return run.run_id


def body(run: Summary, *, bucket: str, prefix: str) -> str:
    """The message a person reads."""
    lines = [f"{run.name}: {run.succeeded} of {run.total} combinations have a picture.", ""]
    if run.nothing_left:
        lines[0] = (
            f"{run.name}: nothing was left to do, and nothing was paid. What the manifest names has its picture, or "
            f"gets it, in {', '.join(run.nothing_left)}."
        )
    lines += _by_service(run)
    if run.checks and run.checks.line:
        lines += [f"Checks: {run.checks.line}.", ""]
    if run.notes:
        lines += [*run.notes, ""]
    if run.error:
        lines += [f"The run itself failed: {run.error}: {run.cause}", ""]
    if run.reasons:
        lines.append("What failed, commonest first:")
        for reason in run.reasons[:3]:
            named, more = ", ".join(reason.examples), reason.count - len(reason.examples)
            others = f" and {more} more" if more > 0 else ""
            lines.append(f"  {reason.count} × {reason.error} ({named}{others}): {reason.cause}")
        lines.append("")
    if run.pictures_lost:
        lines += [f"Pictures that could not be had beside others of their combination: {run.pictures_lost}.", ""]
    drift = run.drift
    if drift and drift.calibrate_again:
        lines += [
            f"Tasks took {drift.median_seen} s in the middle, {drift.median_learned} s when the cadence "
            f"{drift.learned!r} was learned: calibrate again (tryon calibrate).",
            "",
        ]
    lines += [
        f"Gallery: s3://{bucket}/{prefix}index.html",
        f"Summary: s3://{bucket}/{prefix}summary.json",
        f"Open it: tryon open {run.run_id}",
        *console_links(run.execution, bucket, prefix),
    ]
    if run.retry_manifest:
        lines.append(
            f"Run only what failed: aws s3 cp s3://{bucket}/{prefix}retry-manifest.json "
            f"s3://{bucket}/manifests/{run.run_id}-retry.json"
        )
    return "\n".join(lines)


def _by_service(run: Summary) -> list[str]:
    """What came of each service, where several worked."""
    told = [
        f"  {one.service}: {one.succeeded} of {one.succeeded + one.failed}, {one.cost:.2f} {one.currency}"
        for one in run.cost.services
    ]
    return [*told, ""] if len(told) > 1 else []


def console_links(execution: str | None, bucket: str, prefix: str) -> list[str]:
    """Where a person with an account finds the run in AWS's console; nothing where the execution's ARN is not known.

    No link is signed: a signed one would show the photographs to every subscriber, for a time that nobody can promise.
    """
    parts = (execution or "").split(":")
    if len(parts) < 8 or parts[1] not in CONSOLES:
        return []
    console, region = CONSOLES[parts[1]], parts[3]
    return [
        f"Folder in the console: https://{region}.{console}/s3/buckets/{bucket}?region={region}&prefix={quote(prefix)}",
        f"Execution: https://{region}.{console}/states/home?region={region}#/v2/executions/details/{execution}",
    ]


def message(run: Summary, *, bucket: str, prefix: str) -> str:
    """What SNS takes as a JSON-structured message: text by default, JSON for queues, functions and endpoints.

    Where the whole would be more than SNS takes, causes are cut and the rarest reasons left out and counted in
    `reasons_left_out`; counts, names and places stay.
    """
    whole = ""
    for reasons, examples, words in _SHORTER:
        told = _shortened(run, reasons, examples, words)
        text = body(told, bucket=bucket, prefix=prefix)
        left_out = len(run.reasons) - len(told.reasons)
        machine = json.dumps(
            {
                "run_id": told.run_id,
                "name": told.name,
                "status": told.status,
                "total": told.total,
                "succeeded": told.succeeded,
                "failed": told.failed,
                "reasons": [asdict(reason) for reason in told.reasons],
                "pictures_lost": run.pictures_lost,
                "services": [
                    {"service": one.service, "succeeded": one.succeeded, "failed": one.failed, "cost": one.cost}
                    | {"currency": one.currency}
                    for one in run.cost.services
                ],
                "flagged": run.checks.flagged if run.checks else None,
                **({"reasons_left_out": left_out} if left_out else {}),
                "bucket": bucket,
                "prefix": prefix,
                "drift": asdict(run.drift) if run.drift else None,
            },
            ensure_ascii=False,
        )
        whole = json.dumps(
            {"default": text, "email": text, **dict.fromkeys(("sqs", "lambda", "http", "https"), machine)},
            ensure_ascii=False,
        )
        if escaped_bytes(whole) <= MAX_MESSAGE:
            break
    return whole


def _shortened(run: Summary, reasons: int, examples: int, words: int) -> Summary:
    """The run with at most so many reasons, examples of each, and bytes of each text that comes from outside."""

    return replace(
        run,
        name=cut(run.name, 1_000),
        error=run.error and cut(run.error, words),
        cause=run.cause and cut(run.cause, words),
        reasons=tuple(
            replace(
                reason,
                error=cut(reason.error, words),
                cause=cut(reason.cause, words),
                examples=tuple(cut(example, words) for example in reason.examples[:examples]),
            )
            for reason in run.reasons[:reasons]
        ),
    )
