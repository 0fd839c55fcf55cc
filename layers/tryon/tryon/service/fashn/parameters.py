"""What a user may set about a picture that FASHN makes, in the vendor's own words.

Names and values are those of the vendor's package (`fashn` 0.9.0, `TryOnRequestInputs`), defaults those of its page of
the model (2026-11). The pictures, `category`, `return_base64` and `webhook_url` are the client's.
"""

from typing import Literal, Self

from pydantic import Field

from tryon.parameters import ServiceParameters


class Parameters(ServiceParameters):
    """The parameters of one combination."""

    mode: Literal["performance", "balanced", "quality"] = Field(
        "balanced", description="Speed against quality: some 5, 8 or 12 to 17 seconds."
    )
    garment_photo_type: Literal["auto", "flat-lay", "model"] = Field(
        "auto", description="How the garment was photographed: laid flat, or worn."
    )
    moderation_level: Literal["conservative", "permissive", "none"] = Field(
        "permissive", description="How strictly pictures of garments are moderated; none only where the law allows it."
    )
    num_samples: int = Field(1, ge=1, le=4, description="Pictures that one task makes, each of which is billed.")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="Random seed.")
    segmentation_free: bool = Field(
        True, description="Fit the garment without a mask; false where the worn garment shines through."
    )
    output_format: Literal["png", "jpeg"] = Field("png", description="The results' format.")

    @property
    def pictures(self) -> int:
        return self.num_samples

    def with_another_seed(self, n: int) -> Self:
        return self.model_copy(update={"seed": (self.seed + n) % 2**32})
