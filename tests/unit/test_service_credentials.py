"""Where the keys come from, and what they never show."""

import json
import threading
import traceback
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.doubles import HandClock
from tryon.service.credentials import SecretCredentials
from tryon.service.errors import ServiceAccessError, ServiceUnavailableError
from tryon.service.volcengine.credentials import Credentials

SECRET = {"access_key": "AKLTEXAMPLEDUMMY", "secret_key": "dummy-secret"}
KEYS = Credentials("AKLTEXAMPLEDUMMY", "dummy-secret")


class FakeSecretsManager:
    """Holds one secret, or fails as told, and counts how often it was asked."""

    def __init__(self, secret: object = SECRET) -> None:
        self.reads = 0
        self.secret = secret
        self.failure: Exception | None = None

    def get_secret_value(self, *, SecretId: str) -> dict[str, str | bytes]:  # noqa: N803 - boto3's name
        self.reads += 1
        if self.failure:
            raise self.failure
        assert SecretId == "tryon/keys"
        if isinstance(self.secret, bytes):
            return {"SecretBinary": self.secret}
        return {"SecretString": self.secret if isinstance(self.secret, str) else json.dumps(self.secret)}


def source(manager: Any, clock: HandClock | None = None, ttl: float = 300) -> SecretCredentials[Credentials]:
    return SecretCredentials(manager, "tryon/keys", clock or HandClock(1_000.0), Credentials, ttl)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "GetSecretValue")


def test_what_is_secret_shows_in_no_repr() -> None:
    shown = repr(Credentials("AKLTEXAMPLEDUMMY", "dummy-secret", "dummy-token"))
    assert shown == "Credentials(access_key='AKLT…', secret_key='…')"


@pytest.mark.parametrize("value", ["", "with space", "line\n", "\ttab", "ümlaut", None, 7])
@pytest.mark.parametrize("field", ["access_key", "secret_key"])
def test_a_key_that_no_header_can_carry_is_refused_by_name_and_not_quoted(field: str, value: Any) -> None:
    with pytest.raises(ServiceAccessError, match=field) as caught:
        Credentials(**(SECRET | {field: value}))
    assert not value or str(value) not in str(caught.value)


def test_the_secret_is_read_once_until_it_is_old() -> None:
    clock, manager = HandClock(1_000.0), FakeSecretsManager()
    credentials = source(manager, clock, ttl=300)
    assert [credentials() for _ in range(3)] == [KEYS] * 3
    clock.sleep(299)
    credentials()
    assert manager.reads == 1
    clock.sleep(1)
    credentials()
    assert manager.reads == 2


def test_a_clock_set_back_does_not_keep_old_keys_for_ever() -> None:
    clock, manager = HandClock(1_000.0), FakeSecretsManager()
    credentials = source(manager, clock)
    credentials()
    clock.time -= 500
    credentials()
    assert manager.reads == 2


def test_pasted_line_breaks_are_cut_off_and_a_token_is_taken_along() -> None:
    pasted = {"access_key": "AKLTEXAMPLEDUMMY\n", "secret_key": " dummy-secret ", "session_token": "dummy-token\n"}
    assert source(FakeSecretsManager(pasted))() == Credentials("AKLTEXAMPLEDUMMY", "dummy-secret", "dummy-token")


PLAIN = '{"access_key": "AKLTEXAMPLEDUMMY", "secret_key": "dummy-secret"}'


@pytest.mark.parametrize(
    "saved",
    [
        "\ufeff" + PLAIN,
        "\u00ef\u00bb\u00bf" + PLAIN,
        PLAIN + "\r\n\r\n",
        "\u200b \u00a0" + PLAIN + "\u2028\x00",
        PLAIN.replace(", ", ",\r\n\t"),
        PLAIN.replace("dummy-secret", "dummy-\nsecret"),
        PLAIN.replace("dummy-secret", "dummy-\\r\\nsecret\\n"),
        PLAIN.replace("dummy-secret", "\u00a0dummy-secret\u200b\ufeff "),
        PLAIN.replace('"access_key"', '" access_key\ufeff"'),
        json.dumps(PLAIN),
        PLAIN.replace("}", ', "note": [1], "session_token": null}'),
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode() + b"\n",
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
    ],
    ids=range(15),
)
def test_a_secret_is_read_however_it_was_saved(saved: str | bytes) -> None:
    assert source(FakeSecretsManager(saved))() == Credentials("AKLTEXAMPLEDUMMY", "dummy-secret")


@pytest.mark.parametrize(
    ("saved", "wrong"),
    [
        ("", "it is empty"),
        (" \ufeff\n", "it is empty"),
        (PLAIN[:-1], "not JSON.*line 1, column 64"),
        (PLAIN.replace(",", ""), "not JSON.*',' delimiter.*column 35"),
        (PLAIN.replace('"', "\u201c"), "not JSON.*double quotes.*column 2"),
        (PLAIN.replace('"', "'"), "not JSON.*double quotes.*column 2"),
        ("access_key=dummy-secret", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["dummy-secret"]', "it is a list"),
        ("7", "it is a number"),
        ('"dummy-secret"', "not JSON"),
        (b"\xff\xfe\x00\xd8dummy-secret", "UTF-8"),
        (PLAIN.replace("access_key", "AccessKeyId"), '"access_key" is missing$'),
        (PLAIN.replace('"dummy-secret"', '["dummy-secret"]'), '"secret_key" is missing as text: it is a list'),
        (PLAIN.replace('"dummy-secret"', "7"), '"secret_key" is missing as text: it is a number'),
        (PLAIN.replace('"dummy-secret"', '" "'), '"secret_key" is missing: it is empty'),
        (PLAIN.replace("}", ', "session_token": ["dummy-secret"]}'), '"session_token" is missing as text'),
        (PLAIN.replace("dummy-secret", "dummy secret"), "secret_key must be text without spaces"),
        (PLAIN.replace("dummy-secret", "dummy-sécret"), "secret_key must be text without spaces"),
    ],
)
def test_a_wrong_secret_names_what_is_wrong_and_shows_none_of_it(saved: str | bytes, wrong: str) -> None:
    with pytest.raises(ServiceAccessError, match=wrong) as caught:
        source(FakeSecretsManager(saved))()
    told = "".join(traceback.format_exception(caught.value))
    assert not [part for part in ("dummy", "sécret", "AKLT", "AccessKeyId") if part in told]


@pytest.mark.parametrize("absent", [None, "", "  ", 7, ["dummy-secret"]])
@pytest.mark.parametrize("field", ["access_key", "secret_key"])
def test_a_secret_without_a_field_is_refused_by_the_fields_name(field: str, absent: object) -> None:
    for secret in (SECRET | {field: absent}, {name: value for name, value in SECRET.items() if name != field}):
        with pytest.raises(ServiceAccessError, match=f'"{field}" is missing') as caught:
            source(FakeSecretsManager(secret))()
        assert "dummy-secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "dummy-secret", '["dummy-secret"]', "{", '"dummy-secret"'])
def test_a_secret_that_is_no_json_object_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ServiceAccessError, match="JSON object") as caught:
        source(FakeSecretsManager(text))()
    assert "dummy-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure"])
def test_a_secret_that_may_not_be_read_stops_the_run(code: str) -> None:
    manager = FakeSecretsManager()
    manager.failure = refusal(code)
    with pytest.raises(ServiceAccessError, match=code):
        source(manager)()


@pytest.mark.parametrize(
    "failure", [refusal("ThrottlingException"), EndpointConnectionError(endpoint_url="https://secrets.example")]
)
def test_a_secret_that_cannot_be_read_just_now_may_be_read_later(failure: Exception) -> None:
    manager = FakeSecretsManager()
    manager.failure = failure
    credentials = source(manager)
    with pytest.raises(ServiceUnavailableError):
        credentials()
    manager.failure = None
    assert credentials() == KEYS


def test_renewed_keys_are_the_secrets_newest() -> None:
    manager = FakeSecretsManager()
    credentials = source(manager)
    old = credentials()
    manager.secret = SECRET | {"secret_key": "dummy-secret-2"}
    assert credentials() == old
    assert credentials.renew(old).secret_key == "dummy-secret-2"
    assert credentials().secret_key == "dummy-secret-2"
    assert manager.reads == 2


def test_many_threads_that_meet_one_rotation_read_the_secret_once() -> None:
    manager = FakeSecretsManager()
    credentials = source(manager)
    old = credentials()
    manager.secret = SECRET | {"secret_key": "dummy-secret-2"}
    renewed = []
    threads = [threading.Thread(target=lambda: renewed.append(credentials.renew(old))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {keys.secret_key for keys in renewed} == {"dummy-secret-2"}
    assert manager.reads == 2
