"""Limits: learned from approved results by one limit on the smallest p-value, refused where there are too few."""

from random import Random

import pytest

from tryon.checks.limits import DEFAULT, Limits, Rejected, Scores, TooFewApprovedError, learn, needed, wilson
from tryon.checks.vocabulary import CHECKS_OF_REASON, WORDS, Check, reason_of
from tryon_cli.review import REASONS

FIXED = (Check.SAME_FILE, Check.JUDGED)
"""Those that flag by themselves, learned limits or not."""

CHECKS: list[Check] = [check for check in Check if check not in FIXED]


NONE = Limits(tails={}, fixed={})


def right(random: Random) -> dict[Check, float]:
    """A right result's scores: each check has its own scale, and its own tail."""
    return {check: n * 10 + n * random.gauss(0, 1) for n, check in enumerate(CHECKS, start=1)}


def wrong(random: Random, check: Check, *reasons: str) -> Rejected:
    """A result that one check finds, rejected for the reason that this check looks for unless others are given."""
    scores = right(random) | {check: (CHECKS.index(check) + 1) * 25.0}
    return Rejected(scores, frozenset(reasons or filter(None, [reason_of(check)])))


def flags(limits: Limits, scores: Scores) -> set[Check]:
    return {check for check, score in scores.items() if limits.flags(check, score)}


def test_every_check_has_words_a_tail_and_all_that_flag_have_a_limit() -> None:
    assert set(WORDS) == set(Check) == set(DEFAULT.tails)
    assert set(DEFAULT.fixed) <= set(Check)


@pytest.mark.parametrize(("share", "count"), [(0.01, 99), (0.02, 49), (0.05, 19), (0.1, 9), (0.03, 33)])
def test_the_number_of_approved_results_that_a_share_needs_is_one_less_than_its_inverse(
    share: float, count: int
) -> None:
    assert needed(share) == count


def test_too_few_approved_results_are_refused_with_the_number_that_is_needed() -> None:
    random = Random(1)
    with pytest.raises(TooFewApprovedError, match=r"48 approved results.* 49 are needed") as caught:
        learn([right(random) for _ in range(48)], [], share=0.02, name="x", created=0.0, current=NONE)
    assert (caught.value.needed, caught.value.have) == (49, 48)
    assert learn([right(random) for _ in range(49)], [], share=0.02, name="x", created=0.0, current=NONE).most_surprise


def test_the_share_is_that_of_right_results_which_any_check_flags_not_of_each_check() -> None:
    """Nineteen checks at 5 % each would flag six of ten."""
    flagged = of = 0
    for seed in range(20):
        random = Random(seed)
        limits = learn([right(random) for _ in range(99)], [], share=0.05, name="x", created=0.0, current=NONE)
        new = [right(random) for _ in range(200)]
        flagged += sum(bool(flags(limits, scores)) for scores in new)
        of += len(new)
    assert 0.02 < flagged / of < 0.07


def test_every_reason_of_reviewers_is_known_and_every_check_answers_to_one_but_for_a_blank_picture() -> None:
    assert tuple(CHECKS_OF_REASON) == REASONS
    assert [check for check in Check if reason_of(check) is None] == [Check.BLANK, Check.JUDGED]
    assert (reason_of(Check.OTHER_COLOURS), reason_of(Check.SAME_FILE)) == ("colour", "garment")


def test_wrong_results_are_found_by_their_check_and_recall_is_reported_with_its_interval() -> None:
    random = Random(3)
    rejected = [wrong(random, check) for check in CHECKS]
    limits = learn([right(random) for _ in range(99)], rejected, share=0.05, name="x", created=0.0, current=NONE)
    assert all(check in flags(limits, one.scores) for check, one in zip(CHECKS, rejected, strict=True))
    assert limits.recall is not None
    # A blank picture has no reason.
    assert (limits.recall.hits, limits.recall.of) == (len(CHECKS) - 1, len(CHECKS) - 1)
    assert 0.7 < limits.recall.low < 1 == limits.recall.high
    assert (limits.by_reason["crop"].hits, limits.by_reason["crop"].of) == (5, 5)


def test_a_rejected_result_counts_for_the_checks_of_its_reason_alone() -> None:
    random = Random(7)
    rejected = [
        wrong(random, Check.SHIFTED, "face"),
        wrong(random, Check.SHIFTED, "crop", "hands"),
        wrong(random, Check.SHIFTED, "hands"),
        Rejected(right(random)),
    ]
    limits = learn([right(random) for _ in range(99)], rejected, share=0.05, name="x", created=0.0, current=NONE)
    assert limits.recall is not None
    assert (limits.recall.hits, limits.recall.of) == (1, 2), "none looks for hands, and one has no reason"
    assert {reason: (found.hits, found.of) for reason, found in limits.by_reason.items()} == {
        "crop": (1, 1),
        "face": (0, 1),
        "hands": (0, 0),
    }


@pytest.mark.parametrize(("reason", "off"), [("print", []), ("face", [Check.TEXTURE_LOST])])
def test_a_check_whose_flags_are_mostly_wrong_is_switched_off_and_flags_nothing_more(
    reason: str, off: list[Check]
) -> None:
    random = Random(4)
    # One check that flags every tenth right result by the limit in force, and as many that are rejected for something.
    approved = [right(random) | ({Check.TEXTURE_LOST: 900.0 + n} if n % 10 == 0 else {}) for n in range(150)]
    rejected = [wrong(random, Check.BLURRED, "print") for _ in range(20)]
    rejected += [wrong(random, Check.TEXTURE_LOST, reason) for _ in range(20)]
    before = Limits(tails={}, fixed={Check.TEXTURE_LOST: 370.0})
    limits = learn(approved, rejected, share=0.1, name="x", created=0.0, current=before)
    assert limits.off == off
    assert limits.flags(Check.TEXTURE_LOST, 5_000.0) is not bool(off)
    assert (limits.surprise(Check.TEXTURE_LOST, 5_000.0) == 0) is bool(off)


def test_without_learned_limits_only_the_fixed_ones_flag_and_surprise_only_orders() -> None:
    assert flags(DEFAULT, {Check.SAME_FILE: 1.0, Check.UNLIKE_PHOTOGRAPH: 99.0}) == {Check.SAME_FILE}
    assert DEFAULT.surprise(Check.UNLIKE_PHOTOGRAPH, 9.0) > DEFAULT.surprise(Check.UNLIKE_PHOTOGRAPH, 2.0) > 0


def test_the_same_file_is_flagged_by_learned_limits_too() -> None:
    random = Random(5)
    limits = learn([right(random) for _ in range(99)], [], share=0.02, name="x", created=0.0, current=NONE)
    assert limits.flags(Check.SAME_FILE, 1.0)
    assert not limits.flags(Check.SAME_FILE, 0.0)


def test_limits_come_back_from_their_json() -> None:
    random = Random(6)
    limits = learn(
        [right(random) for _ in range(60)], [], share=0.02, name="spring", created=5.0, runs=["a"], current=NONE
    )
    assert Limits.model_validate_json(limits.model_dump_json()) == limits
    assert limits.key == "checks/spring.json"


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    """81 of 263: 0.255 to 0.366 (Newcombe, Statistics in Medicine 17, 1998, table I, method 3)."""
    interval = wilson(81, 263)
    assert (interval.low, interval.high) == (pytest.approx(0.2553, abs=2e-4), pytest.approx(0.3662, abs=2e-4))
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
