"""The marked blocks of the template: one for each service but the first, all of one shape."""

import re

import pytest

from tests.workflow.pipeline import running
from tryon.service import registry
from tryon_local.app import ROOT
from tryon_local.aws.template import load

TEXT = (ROOT / "template.yaml").read_text(encoding="utf-8")
TEMPLATE = load(ROOT / "template.yaml")
OTHERS = registry.SERVICES[1:]


def test_each_service_but_the_first_has_its_blocks_and_no_other_has_any() -> None:
    begun = re.findall(r"^ *# --- service (\w+)\b", TEXT, re.MULTILINE)
    ended = re.findall(r"^ *# --- end of (\w+) ---$", TEXT, re.MULTILINE)
    assert begun == ended, "each block is closed"
    # Parameters, the functions' environment, the secret, Summarize's environment, an output.
    assert sorted(begun) == sorted(OTHERS * 5)


def test_a_service_is_named_outside_of_its_blocks_only_where_a_list_has_no_place_for_one() -> None:
    outside = re.sub(r"^ *# --- service (\w+).*?# --- end of \1 ---$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    for name in OTHERS:
        lines = [line.strip() for line in outside.splitlines() if name.capitalize() in line]
        prefix = name.capitalize()
        assert lines[:2] == [
            f"Has{prefix}: !Not [!Equals [!Ref {prefix}Slots, 0]]",
            f"- !If [Has{prefix}, !Ref {prefix}Secret, !Ref AWS::NoValue]",
        ]
        assert all("Cost" in line for line in lines[2:])


@pytest.mark.parametrize("name", OTHERS)
def test_a_service_is_off_by_default_and_its_secret_outlives_being_switched_off(name: str) -> None:
    prefix = name.capitalize()
    slots = TEMPLATE["Parameters"][f"{prefix}Slots"]
    assert (slots["Default"], slots["MinValue"]) == (0, 0)
    secret = TEMPLATE["Resources"][f"{prefix}Secret"]
    assert secret["Condition"] == f"Has{prefix}"
    # A second secret of one name cannot be made while the first is kept: 1, 0, 1 slots would end there.
    assert "Name" not in secret["Properties"]
    assert secret["DeletionPolicy"] == "RetainExceptOnCreate"
    assert secret["UpdateReplacePolicy"] == "Retain"
    assert TEMPLATE["Outputs"][f"{prefix}SecretName"]["Condition"] == f"Has{prefix}"


def test_the_first_services_secret_is_what_it_was() -> None:
    assert (
        """  ServiceSecret:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: RetainExceptOnCreate
    UpdateReplacePolicy: Retain
    Properties:
      Name: !Sub ${AWS::StackName}/service
      Tags: *Tags
      Description: The try-on service's keys, as {"access_key", "secret_key"}; set them after the first deployment.
      # CloudFormation writes this over the keys when it is edited: never change it.
      SecretString: '{"access_key": "set-me", "secret_key": "set-me"}'
"""
        in TEXT
    )
    assert TEMPLATE["Parameters"]["Slots"]["MinValue"] == 0


@pytest.mark.parametrize("slots", ["0", "2"])
def test_a_secret_is_made_only_for_a_service_that_has_slots(slots: str) -> None:
    with running(parameters={f"{name.capitalize()}Slots": slots for name in OTHERS}) as pipeline:
        outputs = pipeline.app.stack.outputs
        made = {name for name in OTHERS if f"{name.capitalize()}SecretName" in outputs}
        assert made == (set(OTHERS) if slots != "0" else set())
        names = [one["Name"] for one in pipeline.app.stack.client("secretsmanager").list_secrets()["SecretList"]]
        assert len(names) == 1 + len(made)


def test_the_services_that_the_template_knows_are_the_registrys() -> None:
    assert TEMPLATE["Parameters"]["DefaultService"]["Default"] == registry.FIRST.partition("/")[0]
