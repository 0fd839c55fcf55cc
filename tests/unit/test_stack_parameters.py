"""What a stack's parameters say of each service's account."""

import pytest

from tryon.state.run import Price
from tryon.wiring import parameters

TOLD = {
    "Slots": "3", "PricePerTask": "1.5", "Currency": "CNY",
    "FashnSlots": "6", "FashnPrice": "0.075", "FashnCurrency": "USD",
    "FalSlots": "2", "FalPrice": "0.09, google=0.08", "FalCurrency": "EUR",
}  # fmt: skip
USUAL = Price(9.0, "XXX")


@pytest.mark.parametrize(
    ("service", "slots", "price"),
    [
        ("volcengine", 3, Price(1.5, "CNY")),
        ("fashn", 6, Price(0.075, "USD")),
        ("fal/google", 2, Price(0.08, "EUR")),
        ("fal/leffa", 2, Price(0.09, "EUR")),
    ],
)
def test_each_account_has_its_own(service: str, slots: int, price: Price) -> None:
    assert parameters.slots(TOLD, service, 1) == slots
    assert parameters.price(TOLD, service, USUAL) == price


@pytest.mark.parametrize("service", ["volcengine", "fashn", "fal/google"])
def test_what_is_not_said_is_as_usual(service: str) -> None:
    assert parameters.slots({}, service, 7) == 7
    assert parameters.price({}, service, USUAL) == USUAL
