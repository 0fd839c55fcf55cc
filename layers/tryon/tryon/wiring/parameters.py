"""What a stack's parameters say of a service's account, for those who see the stack from outside of its functions."""

from collections.abc import Mapping

from tryon.service import registry
from tryon.state.run import Price
from tryon.wiring.state import PriceSettings


def slots(parameters: Mapping[str, str], service: str, usual: int) -> int:
    """Tasks that the account of a service may run at once, by the service's key; `usual` where nothing is said."""
    return int(parameters.get(_name(service, "Slots"), usual))


def price(parameters: Mapping[str, str], service: str, usual: Price) -> Price:
    """What a service charges, by its key; `usual` where nothing is said."""
    one = registry.find(service)
    first = one.key == registry.FIRST
    told = PriceSettings.read(parameters.get("PricePerTask" if first else _name(service, "Price"), ""))
    amount = told.get(one.model, told.get("", usual.amount))
    return Price(float(amount), parameters.get(_name(service, "Currency"), usual.currency))


def _name(service: str, parameter: str) -> str:
    one = registry.find(service)
    return parameter if one.key == registry.FIRST else f"{one.service.capitalize()}{parameter}"
