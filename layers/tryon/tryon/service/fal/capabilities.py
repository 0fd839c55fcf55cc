"""What three try-on models on fal can do, from fal's pages as read in November 2026.

A picture that fal holds back or fails to make is not billed; whether it bills a refusal by a model (422) is said both
ways, so a summary counts it as free and the page of the service says that it may not be.
"""

from collections.abc import Mapping
from dataclasses import replace

from tryon.service.capabilities import Capabilities, PictureLimits
from tryon.service.fal.parameters import GoogleParameters, KolorsParameters, LeffaParameters
from tryon.service.secret import ApiKey

MODEL_IDS: Mapping[str, str] = {
    "kling-kolors": "fal-ai/kling/v1-5/kolors-virtual-try-on",
    "google": "google/virtual-try-on",
    "leffa": "fal-ai/leffa/virtual-tryon",
}
"""Our names of the models, and the vendor's ids: an id that is retired is changed here."""

_KOLORS = Capabilities(
    service="fal",
    model="kling-kolors",
    account="fal",
    secret=ApiKey,
    endpoint="https://queue.fal.run",
    # v3.fal.media and v3b.fal.media in fal's own examples.
    result_origins=("https://*.fal.media",),
    garments=frozenset({"upper", "lower", "full"}),
    outfits=False,
    parameters=KolorsParameters,
    # fal names no limit of its own; Kling's page has 10 MB and at least 300 pixels. A picture goes as text.
    pictures=PictureLimits(max_bytes=4_999_999, min_side=300, max_side=4096),
    candidates=1,
    # The queue takes every request, and what is over the account's limit waits in it.
    submit_rate=None,
    status_rate=None,
    # How long a result stays is set by a header that is not sent; a day is what the pages promise at least.
    task_kept=24 * 3600.0,
    filed_within=60.0,
    billed="picture",
    failures_billed=False,
    seed=False,
    usual_seconds=20.0,
    cadence=(8, 5, 5, 5, 8, 10),
    deadline=600,
)

CAPABILITIES = (
    _KOLORS,
    replace(
        _KOLORS,
        model="google",
        parameters=GoogleParameters,
        pictures=PictureLimits(max_bytes=4_999_999, min_side=1, max_side=4096),
        candidates=4,
    ),
    replace(
        _KOLORS,
        model="leffa",
        parameters=LeffaParameters,
        pictures=PictureLimits(max_bytes=4_999_999, min_side=1, max_side=4096),
        seed=True,
    ),
)
