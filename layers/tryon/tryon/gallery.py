"""The page that reviewers look at."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tryon.ledger import Entry


def render(summary: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    """index.html of a run's folder: a row a model, a cell a combination."""
    cells = "".join(_cell(entry) for entry in entries)
    return (
        f"<!doctype html><meta charset=utf-8><title>{escape(summary['name'])}</title>"
        f"<h1>{escape(summary['name'])}: {summary['succeeded']} of {summary['total']}</h1>{cells}"
    )


def _cell(entry: Entry) -> str:
    if entry.results:
        key = entry.results[0]["key"]
        relative = key[key.index("results/") :]
        return f'<img loading=lazy height=300 alt="{escape(entry.id)}" src="{escape(relative)}">'
    return f"<p>{escape(entry.id)}: {escape(entry.error or '')}: {escape(entry.cause or '')}</p>"
