"""What a user may set about a picture that a model on fal makes, in each model's own words.

The pictures, the garment's type and `sync_mode` are the client's.
"""

from typing import Literal, Self

from pydantic import Field

from tryon.parameters import ServiceParameters


class KolorsParameters(ServiceParameters):
    """Kling's Kolors virtual try-on: nothing can be set."""


class GoogleParameters(ServiceParameters):
    """Google's virtual try-on."""

    num_images: int = Field(1, ge=1, le=4, description="Pictures that one task makes, each of which is billed.")

    @property
    def pictures(self) -> int:
        return self.num_images


class LeffaParameters(ServiceParameters):
    """Leffa: names and defaults as public callers send them; fal's own page of the model could not be read."""

    num_inference_steps: int = Field(50, ge=1, le=50, description="Diffusion steps.")
    guidance_scale: float = Field(2.5, ge=0, le=20, description="How closely the garment is followed.")
    seed: int = Field(-1, ge=-1, le=2**32 - 1, description="Random seed; -1 lets the service draw one.")
    enable_safety_checker: bool = Field(True, description="Let the service hold back unsafe results.")
    output_format: Literal["png", "jpeg"] = Field("png", description="The result's format.")

    def with_another_seed(self, n: int) -> Self:
        return self if self.seed < 0 else self.model_copy(update={"seed": (self.seed + n) % 2**32})
