"""What a user may set about a picture: each try-on service has its own parameters, in its own words."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

GarmentType = Literal["upper", "lower", "full"]


class ServiceParameters(BaseModel):
    """The parameters of one combination, for one service: a service's own model is made of this one.

    Every field has a default, the calibrated one, and none is called `service`, which stands beside them in a variant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @property
    def pictures(self) -> int:
        """How many pictures one task with these parameters makes."""
        return 1

    @property
    def longest_side(self) -> int | None:
        """The longest side in pixels that the service is asked to work on; None leaves it to its limits."""
        return None

    def with_seed(self, seed: int) -> Self:
        """The same with this seed; unchanged at a service that takes none and draws one for each task."""
        return self.model_copy(update={"seed": seed}) if "seed" in type(self).model_fields else self

    def with_another_seed(self, n: int) -> Self:
        """The same for the n-th task after a refused result; unchanged where the service draws a seed for each task."""
        return self
