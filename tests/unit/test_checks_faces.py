"""Two pictures of faces, compared by structure: moving costs nothing, other features do."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tryon.checks.faces import structure
from tryon.checks.planes import between, blur

Chip = NDArray[np.uint8]


def face(seed: int = 1) -> Chip:
    """150 × 150 pixels of light and dark, coarse as the features of a face are."""
    grey = blur(np.random.default_rng(seed).normal(0, 900, (150, 150)).astype(np.float32), 4) + 128
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)


def bent(chip: Chip, pixels: float) -> Chip:
    """Its left half moved up, its right half down, as a redrawn face's are."""
    rows, columns = np.mgrid[:150, :150].astype(np.float32)
    moved = between(chip.astype(np.float32), rows + pixels * np.tanh((columns - 75) / 20), columns)
    return np.round(moved).astype(np.uint8)


def likeness(theirs: Chip, ours: Chip) -> float:
    return structure(theirs, ours)[0]


def test_the_same_face_is_alike_wherever_it_is() -> None:
    assert likeness(face(), face()) == pytest.approx(1, abs=0.01)
    assert likeness(face(), np.roll(face(), (11, -9), (0, 1))) == pytest.approx(1, abs=0.01)


def test_a_face_whose_parts_moved_by_themselves_is_still_alike() -> None:
    assert likeness(face(), bent(face(), 3)) > 0.97


def test_another_face_is_not_and_one_halfway_to_it_is_in_between() -> None:
    halfway = (0.5 * face() + 0.5 * face(2)).astype(np.uint8)
    assert likeness(face(), face(2)) < 0.5
    assert likeness(face(), face(2)) < likeness(face(), halfway) < 0.9


def test_colour_and_detail_are_those_of_the_face_that_moved() -> None:
    brought = np.roll(face(), (11, -9), (0, 1))
    _, colour, detail = structure(face(), brought)
    assert (colour, detail) == (pytest.approx(0, abs=0.3), pytest.approx(0, abs=0.05))
