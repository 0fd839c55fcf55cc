"""What looks at results, where the layer `vision` and the stack's parameters allow it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from pydantic import BaseModel, Field

from tryon.checks.judge import MAX_BYTES, SECONDS, Ask, JudgeError
from tryon.checks.vocabulary import FaceChecks
from tryon.wiring.state import FROM_ENVIRONMENT, Wiring

if TYPE_CHECKING:
    from tryon.checks.faces import Faces


class CheckSettings(BaseModel):
    """How faces are looked at, the folder with the files that this needs, and the owner's own judge, a function."""

    model_config = FROM_ENVIRONMENT

    faces: FaceChecks = Field(alias="FACE_CHECKS")
    weights: Path = Field(alias="FACE_WEIGHTS")
    judge: str = Field(alias="JUDGE_FUNCTION", default="")


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

    @cached_property
    def ask(self) -> Ask | None:
        """What asks the owner's judge; None where the stack has none."""
        if not self.settings.judge:
            return None
        # Asked once: a second try would be paid again, and take longer than there is.
        config = Config(connect_timeout=3, read_timeout=SECONDS, retries={"total_max_attempts": 1})
        function, client = self.settings.judge, boto3.client("lambda", config=config)

        def ask(question: bytes) -> bytes:
            answered = client.invoke(FunctionName=function, Payload=question)
            if answered.get("FunctionError"):
                raise JudgeError(answered["FunctionError"])
            return bytes(answered["Payload"].read(MAX_BYTES + 1))

        return ask
