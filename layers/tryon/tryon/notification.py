"""What is said when a run ends: text for people, JSON for queues."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_SUBJECT = 99
"""SNS asks for fewer than 100 characters, without line breaks and control characters; its older pages for ASCII that
begins with a letter, a number or a punctuation mark."""

_LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i"}
_INDIVISIBLE = str.maketrans(_LETTERS | {"Æ": "Ae", "Œ": "Oe", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "D", "Þ": "Th"})
"""Latin letters that Unicode does not take apart into one without an accent and the accent."""


class NotificationError(Exception):
    """Nobody could be told how a run ended; the state machine fails with this name."""


def subject(run: Mapping[str, Any]) -> str:
    """One line of printable ASCII for a mailbox: a long name is cut, the counts never."""
    counts = f": {run['succeeded']} of {run['total']}"
    if run["failed"]:
        counts += f", {run['failed']} failed"
    room = MAX_SUBJECT - len("tryon: ") - len(counts)
    name = _ascii_name(run)
    return f"tryon: {name if len(name) <= room else name[: room - 3].rstrip() + '...'}{counts}"


def _ascii_name(run: Mapping[str, Any]) -> str:
    """The run's name without its accents, or its id where ASCII cannot hold the name."""
    name = str(run["name"])
    plain, lost = [], False
    for char in unicodedata.normalize("NFKD", name.translate(_INDIVISIBLE)):
        if " " <= char <= "~":
            plain.append(char)
        elif unicodedata.category(char)[0] in "LN":
            lost = True
        elif not unicodedata.combining(char):
            plain.append(" ")
    text = " ".join("".join(plain).split())
    if text and not lost:
        return text
    number = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return str(run.get("run_id") or f"{text} {number}".strip())


def body(run: Mapping[str, Any], *, bucket: str, prefix: str) -> str:
    """The message a person reads."""
    lines = [
        f"{run['name']}: {run['succeeded']} of {run['total']} combinations have a picture.",
        "",
    ]
    if run.get("error"):
        lines += [f"The run itself failed: {run['error']}: {run['cause']}", ""]
    if run["reasons"]:
        lines.append("What failed, commonest first:")
        for reason in run["reasons"][:3]:
            named, count = ", ".join(reason["examples"]), reason["count"]
            more = f" and {count - len(reason['examples'])} more" if count > len(reason["examples"]) else ""
            lines.append(f"  {count} × {reason['error']} ({named}{more}): {reason['cause']}")
        lines.append("")
    drift = run.get("drift")
    if drift and drift["calibrate_again"]:
        lines += [
            f"Tasks took {drift['median_seen']} s in the middle, {drift['median_learned']} s when the cadence "
            f"{drift['learned']!r} was learned: calibrate again (tryon calibrate).",
            "",
        ]
    lines += [
        f"Gallery: s3://{bucket}/{prefix}index.html",
        f"Summary: s3://{bucket}/{prefix}summary.json",
    ]
    if run.get("retry_manifest"):
        lines.append(
            f"Run only what failed: aws s3 cp s3://{bucket}/{prefix}retry-manifest.json "
            f"s3://{bucket}/manifests/{run['run_id']}-retry.json"
        )
    return "\n".join(lines)


def message(run: Mapping[str, Any], *, bucket: str, prefix: str) -> str:
    """What SNS takes as a JSON-structured message: text by default, JSON for queues, functions and endpoints."""
    text = body(run, bucket=bucket, prefix=prefix)
    machine = json.dumps(
        {name: run[name] for name in ("run_id", "name", "status", "total", "succeeded", "failed", "reasons")}
        | {"bucket": bucket, "prefix": prefix, "drift": run.get("drift")},
        ensure_ascii=False,
    )
    return json.dumps(
        {"default": text, "email": text, **dict.fromkeys(("sqs", "lambda", "http", "https"), machine)},
        ensure_ascii=False,
    )
