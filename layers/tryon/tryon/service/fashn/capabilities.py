"""What FASHN's try-on can do, from the vendor's pages as read in November 2026 and its package `fashn` 0.9.0.

Only `tryon-v1.6`: `tryon-max` takes no garment type and has no fixed price.
"""

from tryon.service.capabilities import Capabilities, PictureLimits, Rate
from tryon.service.fashn.parameters import Parameters
from tryon.service.secret import ApiKey

CAPABILITIES = (
    Capabilities(
        service="fashn",
        model="tryon-v1.6",
        account="fashn",
        secret=ApiKey,
        endpoint="https://api.fashn.ai",
        # Seen in answers: cdn.fashn.ai, media.fashn.ai and, in older ones, cdn.staging.fashn.ai.
        result_origins=("https://*.fashn.ai",),
        garments=frozenset({"upper", "lower", "full"}),
        outfits=False,
        parameters=Parameters,
        # The page advises 2,000 pixels and states no limit of bytes; too large a body comes back as a 500.
        pictures=PictureLimits(max_bytes=2_000_000, min_side=1, max_side=2000),
        candidates=4,
        submit_rate=Rate(50, 60.0),
        status_rate=Rate(50, 10.0),
        # How long results stay; how long a status does is nowhere said.
        task_kept=72 * 3600.0,
        filed_within=60.0,
        billed="picture",
        failures_billed=False,
        seed=True,
        usual_seconds=12.0,
        cadence=(6, 3, 3, 4, 5, 8, 10),
        deadline=300,
        credits=1.0,
    ),
)
