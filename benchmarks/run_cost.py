"""What AWS charges for a run in all, and for a stack that idles.

`python -m benchmarks.run_cost` writes it into docs/cost.md.

What the summary counts comes from a run of 18 with the default cadence, in virtual time, through the real state machine
and handlers; so do the names of the metrics that it sends. Alarms and dashboards are counted in template.yaml.
"""

import argparse
import contextlib
import io
import sys
import warnings
from typing import Any

from benchmarks.sections import DOCS, Section
from tests.workflow.pipeline import manifest, running
from tryon.reporting import cost
from tryon_local.app import ROOT
from tryon_local.aws.cloudwatch import metrics
from tryon_local.aws.template import load

PLACE = Section(DOCS / "cost.md", "in all")

MODELS, GARMENTS = 2, 9

USD_PER_METRIC = 0.30
USD_PER_ALARM_METRIC = 0.10
USD_PER_DASHBOARD = 3.00
"""A month each: aws.amazon.com/cloudwatch/pricing. Ten metrics, ten alarm metrics and three dashboards are free."""

USD_PER_SECRET = 0.40
"""A month: aws.amazon.com/secrets-manager/pricing."""

USD_PER_GB_OUT = 0.09
"""aws.amazon.com/ec2/pricing/on-demand, data transfer to the internet; the first 100 GB a month are free."""

HOURS_PER_MONTH = 730

PICTURE_MB = 0.72
"""Assumed: an input picture as it is sent, before base64."""

INIT_SECONDS = 0.8
"""Assumed: what a cold function takes before its first call. AWS charges for it since August 2025."""


def section() -> str:
    """The two tables."""
    summary, names = _run()
    combinations = MODELS * GARMENTS
    called = {
        name: memory for name, memory in cost.MEMORY_GB.items() if name != "Gallery"
    }  # draws large galleries alone
    sent = combinations * 2 * PICTURE_MB * 4 / 3
    rows = [
        ("what the summary says", "the formula above", summary),
        (
            "custom metrics",
            f"{names} names a successful run sends, ${USD_PER_METRIC:.2f} each a month, charged by the hour in which "
            "they are sent",
            names * USD_PER_METRIC / HOURS_PER_MONTH,
        ),
        (
            "pictures on their way to the service",
            f"{combinations} × 2 × {PICTURE_MB} MB × 4/3 (base64) = {sent:.0f} MB at ${USD_PER_GB_OUT:.2f} a GB",
            sent / 1000 * USD_PER_GB_OUT,
        ),
        (
            f"the start of {len(called)} functions",
            f"{INIT_SECONDS} s of each function's memory",
            INIT_SECONDS * sum(called.values()) * cost.USD_PER_GB_SECOND,
        ),
    ]
    resources = load(ROOT / "template.yaml")["Resources"].values()
    alarms = sum(_alarm_metrics(one) for one in resources)
    dashboards = sum(one["Type"] == "AWS::CloudWatch::Dashboard" for one in resources)
    # Those of services that are off by default are not made.
    secrets = sum(one["Type"] == "AWS::SecretsManager::Secret" and "Condition" not in one for one in resources)
    idle = [
        (f"{secrets} secret", secrets * USD_PER_SECRET, secrets * USD_PER_SECRET),
        (f"{alarms} alarm metrics", alarms * USD_PER_ALARM_METRIC, max(0, alarms - 10) * USD_PER_ALARM_METRIC),
        (f"{dashboards} dashboard", dashboards * USD_PER_DASHBOARD, max(0, dashboards - 3) * USD_PER_DASHBOARD),
    ]
    return "\n".join(
        [
            "| | how it is charged | of this run |",
            "|---|---|---:|",
            *(f"| {what} | {how} | ${usd:.4f} |" for what, how, usd in rows),
            f"| in all | | ${sum(usd for *_, usd in rows):.4f} |",
            "",
            "| a stack that idles | a month | in an account that has nothing else |",
            "|---|---:|---:|",
            *(f"| {what} | ${usd:.2f} | ${alone:.2f} |" for what, usd, alone in idle),
            f"| in all, without storage and backups | ${sum(usd for _, usd, _ in idle):.2f} | "
            f"${sum(alone for *_, alone in idle):.2f} |",
            "",
        ]
    )


def _run() -> tuple[float, int]:
    """What a run's summary says that it cost at AWS, and how many metrics it sent, by name."""
    names: set[str] = set()

    def log(function: str, line: str) -> None:
        names.update(one["MetricName"] for _, data in metrics(line, 0.0) for one in data)

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with running(log=log) as pipeline:
            pipeline.put_pictures(MODELS, GARMENTS)
            ended = pipeline.run(manifest(MODELS, GARMENTS))
    if ended.summary is None or ended.summary["succeeded"] != MODELS * GARMENTS:
        raise RuntimeError("the run that is measured has failed")
    return float(ended.summary["cost"]["aws"]["usd"]), len(names)


def _alarm_metrics(resource: Any) -> int:
    """How many alarm metrics an alarm is charged as: each metric that its expression reads."""
    if resource["Type"] != "AWS::CloudWatch::Alarm":
        return 0
    return sum("MetricStat" in one for one in resource["Properties"].get("Metrics", ())) or 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.parse_args()
    PLACE.write(section())
    return 0


if __name__ == "__main__":
    sys.exit(main())
