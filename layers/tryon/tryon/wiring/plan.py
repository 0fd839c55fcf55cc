"""What Plan is allowed, beside the services that it asks whether they would answer."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property

from pydantic import BaseModel, Field, field_validator

from tryon.events import PlanEvent
from tryon.json_types import Json
from tryon.keys import RunFolder
from tryon.plan_run import Limits, Origin, Terms
from tryon.service import registry
from tryon.state.run import Run
from tryon.wiring.service import ServiceWiring
from tryon.wiring.state import FROM_ENVIRONMENT, AccountSettings


class PlanSettings(BaseModel):
    """What a manifest may ask for: combinations, picture bytes, and the buckets it may read besides its own.

    `cadence` is for manifests that bring none and name the first service, `default_service` for those that name none.
    """

    model_config = FROM_ENVIRONMENT

    cadence: list[int] = Field(alias="CADENCE")
    default_service: str = Field(alias="DEFAULT_SERVICE", default=registry.FIRST)
    max_combinations: int = Field(alias="MAX_COMBINATIONS", ge=1)
    max_image_bytes: int = Field(alias="MAX_IMAGE_BYTES", ge=1)
    input_buckets: list[str] = Field(alias="INPUT_BUCKETS", default_factory=list)

    @field_validator("cadence", "input_buckets", mode="before")
    @classmethod
    def _split(cls, value: str) -> list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]


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
            self.services,
            registry.find(self.settings.default_service).key,
            self.settings.input_buckets,
        )

    @cached_property
    def services(self) -> Mapping[str, Terms]:
        """What the stack has, by key: every model of each service that has slots."""
        found = {}
        for name in registry.SERVICES:
            if f"{name}_slots".upper() not in self.environ and name != registry.FIRST.partition("/")[0]:
                continue
            account = AccountSettings.of(self.environ, name)
            if not account.slots:
                continue
            for one in filter(lambda one: account.offers(one.model), registry.models(name)):
                first = one.key == registry.FIRST
                cadence = self.settings.cadence if first else one.cadence
                found[one.key] = Terms(account.slots, tuple(cadence), self.deadline(one.key))
        return found

    def origin(self, event: PlanEvent) -> Origin:
        """The run that an event is for."""
        about = event.model_dump(include={"run_id", "bucket", "key", "version", "execution", "missing"})
        return Origin(put_at=event.time.timestamp(), **about)

    def told(self, run: Run) -> dict[str, Json]:
        """What the state machine gets of a run that is planned."""
        return {
            "plan_key": RunFolder(run.run_id).plan,
            "children_prefix": RunFolder(run.run_id).children,
            "total": run.total,
            **self.waits(run),
            "concurrency": self.concurrency(run.services),
        }

    def waits(self, run: Run) -> dict[str, Json]:
        """When the run's tasks are asked after: its cadences by service, and what a learned one was learned from."""
        return {
            "cadence": list(run.cadence),
            "cadences": {key: list(waits) for key, waits in run.cadences.items()},
            "defaults": {key: list(self.services[key].cadence) for key in run.services if key in self.services},
            "learned": {run.learned.service: asdict(run.learned)} if run.learned else {},
        }

    def concurrency(self, keys: Iterable[str]) -> int:
        """Children that the Map runs at once: for each account enough that one waits at its gate while others download.

        An account's slots are counted once, however many of its models a run uses. Results are checked too before a
        child ends. A check may take as long as a task at most, so that with as many children again no slot waits for
        one. Above a hundred slots some of them end at any time.
        """
        accounts = {registry.find(key).account: self.services[key].slots for key in keys if key in self.services}
        return sum(slots + max(2, min(slots, 100), slots // 2) for slots in accounts.values())
