"""The words of the checks: what is looked for, how a look ends, and what each is called for people."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Check(StrEnum):
    """What is looked for in a result."""

    SAME_FILE = "same_file"
    BLANK = "blank"
    CUT_OFF = "cut_off"
    BLURRED = "blurred"
    BANDED = "banded"
    CROPPED = "cropped"
    STRETCHED = "stretched"
    ZOOMED = "zoomed"
    SHIFTED = "shifted"
    NOTHING_APPLIED = "nothing_applied"
    CHANGED_BESIDE = "changed_beside"
    WRONG_PART = "wrong_part"
    OTHER_GARMENT = "other_garment"
    OTHER_COLOURS = "other_colours"
    UNLIKE_PHOTOGRAPH = "unlike_photograph"
    TEXTURE_LOST = "texture_lost"
    FACE_DIFFERS = "face_differs"
    FACE_COLOURS = "face_colours"
    FACE_SMOOTHED = "face_smoothed"
    ANOTHER_PERSON = "another_person"
    JUDGED = "judged"
    """What a judge of one's own says."""


WORDS: Mapping[Check, str] = MappingProxyType(
    {
        Check.SAME_FILE: "The same file as another result",
        Check.BLANK: "The picture is blank",
        Check.CUT_OFF: "A part of the picture is missing",
        Check.BLURRED: "The picture is blurred",
        Check.BANDED: "The picture has too few shades",
        Check.CROPPED: "The picture is cropped",
        Check.STRETCHED: "The picture is stretched",
        Check.ZOOMED: "The picture is zoomed",
        Check.SHIFTED: "The picture is shifted",
        Check.NOTHING_APPLIED: "The garment was not put on",
        Check.CHANGED_BESIDE: "Something changed beside the body",
        Check.WRONG_PART: "Another part of the body was changed",
        Check.OTHER_GARMENT: "It looks like another garment of this run",
        Check.OTHER_COLOURS: "The garment has other colours",
        Check.UNLIKE_PHOTOGRAPH: "It looks more like another garment's photograph",
        Check.TEXTURE_LOST: "The garment's texture is lost",
        Check.FACE_DIFFERS: "The face differs from the model's",
        Check.FACE_COLOURS: "The face has another colour",
        Check.FACE_SMOOTHED: "The face lost its detail",
        Check.ANOTHER_PERSON: "The face is another person's",
        Check.JUDGED: "Your judge objects",
    }
)
"""A reason of a flag as people read it."""


_FACE = (Check.FACE_DIFFERS, Check.FACE_COLOURS, Check.FACE_SMOOTHED, Check.ANOTHER_PERSON)

CHECKS_OF_REASON: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "garment": (
            Check.NOTHING_APPLIED,
            Check.SAME_FILE,
            Check.OTHER_GARMENT,
            Check.UNLIKE_PHOTOGRAPH,
            Check.WRONG_PART,
            Check.OTHER_COLOURS,
        ),
        "colour": (Check.OTHER_COLOURS, Check.BANDED, Check.OTHER_GARMENT, Check.UNLIKE_PHOTOGRAPH),
        "print": (Check.TEXTURE_LOST, Check.BLURRED, Check.OTHER_GARMENT),
        "fit": (),
        "hands": (),
        "face": _FACE,
        "background": (Check.CHANGED_BESIDE,),
        "crop": (Check.CROPPED, Check.STRETCHED, Check.ZOOMED, Check.SHIFTED, Check.CUT_OFF),
    }
)
"""The checks that look for what a reviewer rejects a picture for, by the reason's name; none looks for fit or hands."""

_FIRST_REASON = {
    Check.OTHER_COLOURS: "colour",
}


def reason_of(check: Check) -> str | None:
    """The reason that a reviewer who agrees with a check's flag rejects for; None where no reason says it."""
    named = [reason for reason, checks in CHECKS_OF_REASON.items() if check in checks]
    return _FIRST_REASON.get(check, named[0] if named else None)


class State(StrEnum):
    """How the look at a result ended."""

    FLAGGED = "flagged"
    CLEAR = "clear"
    NOT_COMPARABLE = "not_comparable"
    """Nothing stands out, and checks that need others to compare with could not look."""
    UNCHECKED = "unchecked"


class FaceChecks(StrEnum):
    """How faces are looked at. `structure` compares pictures of faces, `network` recognises them as well."""

    OFF = "off"
    STRUCTURE = "structure"
    NETWORK = "network"


class FaceState(StrEnum):
    """What came of the look at a face."""

    OFF = "off"
    COMPARED = "compared"
    NONE_IN_MODEL = "none_in_model"
    NONE_IN_RESULT = "none_in_result"


NO_LAYER = "no vision layer"
"""Why a result is unchecked where numpy is not installed."""
