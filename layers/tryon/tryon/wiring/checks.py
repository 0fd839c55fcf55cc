"""What looks at results, where the layer `vision` and the stack's parameters allow it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from tryon.checks.vocabulary import FaceChecks
from tryon.wiring.state import FROM_ENVIRONMENT, Wiring

if TYPE_CHECKING:
    from tryon.checks.faces import Faces


class CheckSettings(BaseModel):
    """How faces are looked at, and the folder with the files that this needs."""

    model_config = FROM_ENVIRONMENT

    faces: FaceChecks = Field(alias="FACE_CHECKS")
    weights: Path = Field(alias="FACE_WEIGHTS")


class CheckWiring(Wiring):
    """Check's parts."""

    @cached_property
    def settings(self) -> CheckSettings:
        """What the stack's owner set."""
        return CheckSettings.model_validate(self.environ)

    @cached_property
    def faces(self) -> "Faces | None":
        """What looks at faces; None where they are off, or where the layer has no files for it."""
        if self.settings.faces is FaceChecks.OFF:
            return None
        from tryon.checks.faces import NETWORK_FILE, POINTS_FILE, Faces

        needed = [POINTS_FILE, NETWORK_FILE] if self.settings.faces is FaceChecks.NETWORK else []
        if not all((self.settings.weights / name).is_file() for name in needed):
            return None
        return Faces(self.settings.weights)
