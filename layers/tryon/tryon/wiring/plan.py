"""What Plan is allowed, beside the service that it asks whether it would answer."""

from functools import cached_property

from pydantic import BaseModel, Field, field_validator

from tryon.plan_run import Limits
from tryon.wiring.service import ServiceWiring
from tryon.wiring.state import FROM_ENVIRONMENT


class PlanSettings(BaseModel):
    """What a manifest may ask for: combinations, picture bytes, and the buckets it may read besides its own.

    `cadence` is for manifests that bring none.
    """

    model_config = FROM_ENVIRONMENT

    slots: int = Field(alias="SLOTS", ge=1)
    cadence: list[int] = Field(alias="CADENCE")
    max_combinations: int = Field(alias="MAX_COMBINATIONS", ge=1)
    max_image_bytes: int = Field(alias="MAX_IMAGE_BYTES", ge=1)
    input_buckets: list[str] = Field(alias="INPUT_BUCKETS", default_factory=list)

    @field_validator("cadence", "input_buckets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]

    @property
    def concurrency(self) -> int:
        """Children that the Map runs at once: enough that one waits at the gate while others download."""
        return self.slots + max(2, self.slots // 2)


class PlanWiring(ServiceWiring):
    """Plan's parts."""

    @cached_property
    def settings(self) -> PlanSettings:
        """What the stack's owner set."""
        return PlanSettings.model_validate(self.environ)

    @property
    def limits(self) -> Limits:
        """What a manifest may ask for."""
        return Limits(
            self.settings.max_combinations,
            self.settings.max_image_bytes,
            self.settings.cadence,
            self.gate_settings.deadline,
            self.settings.input_buckets,
        )
