"""What every contestant is given alike: the pictures, their combinations, the latencies and the service itself."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from PIL import Image

from tryon.parameters import GarmentType
from tryon.service import GarmentPicture, Submission
from tryon.service.volcengine.parameters import Parameters
from tryon_local.clock import VirtualClock
from tryon_local.service.pixel import pixel
from tryon_local.service.tasks import Latency, TypicalLatency
from tryon_local.service.volcengine.standin import StandIn

START = 1_790_000_000.0
TYPES: tuple[GarmentType, ...] = ("upper", "lower", "full")


@dataclass(frozen=True)
class Order:
    """So many models, each in so many garments."""

    models: int
    garments: int

    @property
    def count(self) -> int:
        return self.models * self.garments

    def manifest(self, **more: Any) -> dict[str, Any]:
        """The order as the project takes it."""
        return {
            "models": [{"id": f"m{i}", "image": model_key(i)} for i in range(self.models)],
            "garments": [{"id": f"g{i}", "image": garment_key(i), "type": TYPES[i % 3]} for i in range(self.garments)],
            **more,
        }

    def pictures(self) -> dict[str, bytes]:
        """Every picture by its key."""
        models = {model_key(i): picture(i) for i in range(self.models)}
        return models | {garment_key(i): picture(100 + i) for i in range(self.garments)}

    def submissions(self) -> list[Submission]:
        """The same order, task by task, as a plain client sends it."""
        return [
            Submission(picture(m), (GarmentPicture(picture(100 + g), TYPES[g % 3]),), Parameters())
            for m in range(self.models)
            for g in range(self.garments)
        ]


def model_key(number: int) -> str:
    return f"inputs/m{number}.jpg"


def garment_key(number: int) -> str:
    return f"inputs/g{number}.jpg"


def picture(number: int) -> bytes:
    """A small JPEG unlike any other number's."""
    out = io.BytesIO()
    colour = (number * 37 % 256, number * 91 % 256, number * 53 % 256)
    Image.new("RGB", (256, 320), colour).save(out, "JPEG")
    return out.getvalue()


def latencies(seed: int, count: int) -> list[float]:
    """The seconds that the first `count` tasks take, as the stand-in draws them: 27 s, with a tail."""
    typical, random = TypicalLatency(), Random(f"latency {seed}")
    drawn = []
    for _ in range(count):
        seconds = random.gauss(typical.mean, typical.deviation)
        if random.random() < typical.tail:
            seconds += random.expovariate(1 / typical.tail_delay)
        drawn.append(max(1.0, seconds))
    return drawn


def service(
    clock: VirtualClock,
    seed: int,
    *,
    slots: int,
    count: int,
    requests_per_second: float | None = 2.0,
    latency: Latency | None = None,
) -> StandIn:
    """The service: the n-th task that is submitted takes the n-th latency of the seed, whoever submits it, or what
    `latency` says."""
    table = latencies(seed, count)
    return StandIn(
        clock,
        slots=slots,
        requests_per_second=requests_per_second,
        latency=latency or (lambda new: table[(new.number - 1) % count]),
        picture=pixel,
        seed=seed,
        max_skew=None,  # the vendor's SDK signs by the machine's clock
    )


def floor(table: Sequence[float], slots: int) -> float:
    """The least time for these tasks in this order: every slot is busy until nothing is left to submit.

    It is what list scheduling gives, with no second lost between a task's end and the next one's start, and
    without the last download.
    """
    ends = [0.0] * slots
    for latency in table:
        first = ends.index(min(ends))
        ends[first] += latency
    return max(ends)
