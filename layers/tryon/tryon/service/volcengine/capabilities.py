"""What Volcengine's dressing diffusion can do, from the vendor's page of 2025 and its SDK."""

from tryon.picture_limits import PictureLimits
from tryon.service.capabilities import Capabilities
from tryon.service.registry import FIRST_ACCOUNT
from tryon.service.volcengine.credentials import Credentials
from tryon.service.volcengine.parameters import Parameters

CAPABILITIES = (
    Capabilities(
        service="volcengine",
        model="dressing-diffusion-v2",
        account=FIRST_ACCOUNT,
        secret=Credentials,
        endpoint="https://visual.volcengineapi.com",
        result_origins=("https://*.volces.com", "https://*.byteimg.com", "https://*.volccdn.com"),
        garments=frozenset({"upper", "lower", "full"}),
        outfits=True,
        parameters=Parameters,
        # "Under 5 MB" and "under 4096 × 4096". Whether that means 5,000,000 or 5,242,880 bytes, and whether the limit
        # itself passes, is not said: the smaller reading each time. A picture of a stamp's size shows no garment, and
        # a task made with it is paid all the same.
        pictures=PictureLimits(max_bytes=4_999_999, min_side=64, max_side=4095),
        # The vendor's example has three.
        candidates=3,
        # Requests of both kinds share what the account is sold: the stack's RequestsPerSecond.
        submit_rate=None,
        status_rate=None,
        task_kept=12 * 3600.0,
        filed_within=60.0,
        billed="task",
        failures_billed=True,
        seed=True,
        usual_seconds=27.0,
        cadence=(5, 8, 10, 8, 10),
        deadline=300,
    ),
)
