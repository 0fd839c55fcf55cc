"""What a manifest takes of prepaid accounts, before any of it is paid."""

from typing import Any

from tests.doubles import read_manifest
from tryon.plan_run import needed_credits
from tryon.reporting.retry import Earlier


def manifest(**different: Any) -> Any:
    garments = [{"id": name, "image": f"{name}.jpg", "type": "upper"} for name in ("shirt", "coat")]
    return read_manifest(
        {
            "models": [{"id": "anna", "image": "anna.jpg"}],
            "garments": garments,
            "variants": {"a": {}, "b": {"service": "fashn"}, "c": {"service": "fashn", "num_samples": 3}},
            **different,
        }
    )


def test_every_picture_takes_a_credit_of_the_account_that_makes_it() -> None:
    assert needed_credits(manifest(), Earlier()) == {"fashn": 2 * (1 + 3)}


def test_what_an_earlier_run_paid_for_or_has_takes_none() -> None:
    paid = Earlier(paid={("anna", "shirt", "c"): "task"})
    assert needed_credits(manifest(), paid) == {"fashn": 2 + 3}
    done = Earlier(done=frozenset({("anna", "shirt", "b"), ("anna", "coat", "c")}))
    assert needed_credits(manifest(), done) == {"fashn": 1 + 3}


def test_a_manifest_of_accounts_that_are_not_prepaid_takes_none() -> None:
    assert needed_credits(manifest(variants={}), Earlier()) == {}
    assert needed_credits(manifest(variants={"a": {"service": "fal/google"}}), Earlier()) == {}
