"""A stand-in of an account that is known by one API key, which every call carries in a header."""

import hmac
from typing import ClassVar

from tryon.clock import Clock
from tryon_local.service.faults import FaultPlan
from tryon_local.service.kernel import ExchangeT, Kernel, Picture, SettingsT, composed
from tryon_local.service.orders import ImageGate, readable
from tryon_local.service.tasks import Latency
from tryon_local.service.wire import Request


class KeyedKernel(Kernel[SettingsT, ExchangeT]):
    """A kernel with its key; `SCHEME` is the word before it in the header."""

    SCHEME: ClassVar[str]

    def __init__(  # noqa: PLR0913 - settings, each with a default
        self,
        clock: Clock,
        settings: SettingsT,
        *,
        api_key: str,
        latency: Latency,
        base_url: str,
        picture: Picture = composed,
        faults: FaultPlan | None = None,
        seed: int = 0,
        kept: float,
    ) -> None:
        """Tasks and their addresses are `kept` for so many seconds."""
        super().__init__(
            clock,
            settings,
            latency=latency,
            base_url=base_url,
            picture=picture,
            faults=faults,
            seed=seed,
            remembered=kept,
            url_life=kept,
        )
        self._api_key = api_key
        self._gate = ImageGate(readable)

    @property
    def key(self) -> str:
        """The key in force."""
        return self._api_key

    @property
    def secret(self) -> dict[str, str]:
        """What the stack's secret must hold for this account."""
        return {"api_key": self._api_key}

    def rotate(self, api_key: str) -> None:
        """Take this key from now on and no other."""
        with self._lock:
            self._api_key = api_key

    @property
    def _key(self) -> str:
        return self._api_key

    def _knows(self, request: Request) -> bool:
        """Whether a call carries the key in force."""
        given = request.lowered.get("authorization", "")
        return hmac.compare_digest(given.encode(), f"{self.SCHEME} {self._api_key}".encode())
