"""The stand-in beside a local stack, called by a client that is no part of it: the vendor's SDK."""

import time
from urllib.parse import urlsplit

import pytest
from volcengine.visual.VisualService import VisualService

from tests.service.standin_client import order
from tryon_local.app import LocalApp
from tryon_local.clock import PacedClock
from tryon_local.service.pixel import pixel
from tryon_local.service.volcengine.standin import StandIn


def outside_client(app: LocalApp) -> VisualService:
    """Made of nothing but what `tryon local up` can print."""
    sdk = VisualService()
    access_key, secret_key = app.standin.keys
    sdk.set_ak(access_key)
    sdk.set_sk(secret_key)
    sdk.set_host(urlsplit(app.service_url).netloc)
    return sdk


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_client_outside_is_accepted_however_far_accelerated_time_has_run(hours: float) -> None:
    clock = PacedClock(10, start=time.time() + hours * 3600)
    with LocalApp(StandIn(clock, picture=pixel), clock=clock, port=0) as app:
        assert outside_client(app).cv_submit_task(order())["code"] == 10000


def test_at_the_real_pace_a_client_whose_clock_is_wrong_is_refused() -> None:
    clock = PacedClock(1, start=time.time() + 3600)
    with (
        LocalApp(StandIn(clock, picture=pixel), clock=clock, port=0) as app,
        pytest.raises(Exception, match="100006"),
    ):
        outside_client(app).cv_submit_task(order())


def test_the_keys_shown_are_those_in_force() -> None:
    clock = PacedClock(10)
    standin = StandIn(clock, picture=pixel, access_key="AKLTOTHER", secret_key="other")
    with LocalApp(standin, clock=clock, port=0) as app:
        assert standin.keys == ("AKLTOTHER", "other")
        secret = app.stack.client("secretsmanager").list_secrets()["SecretList"][0]["ARN"]
        stored = app.stack.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        assert "AKLTOTHER" in stored
        assert outside_client(app).cv_submit_task(order())["code"] == 10000
        standin.rotate("AKLTNEW", "new")
        assert standin.keys == ("AKLTNEW", "new")
