"""What a user may set about a picture that this service makes, in the project's own words."""

from typing import Literal, Self

from pydantic import Field

from tryon.parameters import ServiceParameters


class Parameters(ServiceParameters):
    """The parameters of one combination; the defaults are the calibrated ones.

    `max_side` is in pixels: the service shrinks larger pictures to it.
    """

    super_resolution: bool = Field(True, description="Sharpen the result with super-resolution.")
    keep_head: bool = Field(True, description="Keep the model's head as photographed.")
    keep_hands: bool = Field(False, description="Keep the hands as photographed; otherwise they are drawn anew.")
    keep_feet: bool = Field(False, description="Keep the feet as photographed.")
    keep_upper: bool = Field(False, description="Keep what the model wears above the waist.")
    keep_lower: bool = Field(False, description="Keep what the model wears below the waist.")
    mask: Literal["loose", "tight", "bbox"] = Field(
        "loose", description="How closely the repainted area follows the body."
    )
    seed: int = Field(-1, ge=-1, le=2**32 - 1, description="Random seed; -1 lets the service draw one.")
    steps: int = Field(16, ge=8, le=50, description="Diffusion steps.")
    box_overlap: float = Field(
        0.3,
        ge=0,
        le=1,
        description="Overlap of garment and body boxes below which the service repaints more.",
    )
    box_expansion: float = Field(1.1, ge=1, le=1.5, description="How far the body's box is widened.")
    max_side: int = Field(
        1920,
        ge=1080,
        le=4096,
        description="Longest side of the picture that the service works on, in pixels.",
    )

    @property
    def longest_side(self) -> int | None:
        return self.max_side

    def with_another_seed(self, n: int) -> Self:
        # Without a seed the service draws one for each task.
        if self.seed < 0:
            return self
        return self.model_copy(update={"seed": (self.seed + n) % 2**32})
