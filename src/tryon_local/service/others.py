"""Stand-ins of the services that came after the first one, which is made by itself."""

from collections.abc import Iterable
from importlib import import_module
from typing import cast

from tryon.clock import Clock
from tryon.service import registry
from tryon_local.service.admin import AnyStandIn
from tryon_local.service.faults import Fault, FaultPlan
from tryon_local.service.kernel import Picture


def others(clock: Clock, *, slots: int, picture: Picture, faults: Iterable[Fault], seed: int) -> dict[str, AnyStandIn]:
    """One for each further service in the registry, by name; each meets the faults on its own.

    `slots` are the tasks at once of each, `seed` that of all that is drawn.
    """
    plan = tuple(faults)
    made = {}
    for name in registry.SERVICES[1:]:
        module = import_module(f"tryon_local.service.{name}.standin")
        standin = module.StandIn(clock, slots=slots, picture=picture, faults=FaultPlan(*plan, seed=seed), seed=seed)
        made[name] = cast("AnyStandIn", standin)
    return made
