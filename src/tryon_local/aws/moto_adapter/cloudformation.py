"""CloudFormation: what moto's stacks leave out of a state machine."""

import json
import secrets
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.stepfunctions.responses import get_backend as step_functions

from .patching import replaces
from .session import Session


@replaces(
    "moto.stepfunctions.models:StateMachine.create_from_cloudformation_json",
    "(resource_name, cloudformation_json, account_id, region_name, **kwargs)",
)
def _create_state_machine(session: Session, original: Any) -> Any:
    # The original creates it where nothing is executed, and with its substitutions unmade.
    def create(
        _: type[Any], /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **__: Any
    ) -> Any:
        properties = cloudformation_json["Properties"]
        definition = properties.get("DefinitionString") or json.dumps(properties["Definition"])
        for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            definition = definition.replace(f"${{{name}}}", json.dumps(text)[1:-1])
        return step_functions(account_id, region_name).create_state_machine(
            name=properties.get("StateMachineName", resource_name),
            definition=definition,
            roleArn=properties.get("RoleArn", ""),
            tags=[{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])],
            sm_type=properties.get("StateMachineType", "STANDARD"),
        )

    return classmethod(create)


class _Secret(CloudFormationModel):  # type: ignore[misc] # moto is untyped here
    """AWS::SecretsManager::Secret, which moto's stacks leave out."""

    def __init__(self, arn: str) -> None:
        self.arn = arn

    @property
    def physical_resource_id(self) -> str:
        return self.arn

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SecretsManager::Secret"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Id"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.arn


@replaces("moto.cloudformation.parsing:get_model_map", "()")
def _model_map(session: Session, original: Any) -> Any:
    class Secret(_Secret):
        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
        ) -> Any:
            properties = cloudformation_json["Properties"]
            text = properties.get("SecretString")
            if text is None:
                generated = properties.get("GenerateSecretString", {})
                text = secrets.token_urlsafe(24)
                if "GenerateStringKey" in generated:
                    template = json.loads(generated.get("SecretStringTemplate", "{}"))
                    text = json.dumps({**template, generated["GenerateStringKey"]: text})
            created = session.client("secretsmanager").create_secret(
                Name=properties.get("Name", resource_name), SecretString=text
            )
            return cls(created["ARN"])

    known = {**original(), Secret.cloudformation_type(): Secret}
    return lambda: known


@replaces("moto.cloudformation.parsing:clean_json", "(resource_json, resources_map)")
def _resolve(session: Session, original: Any) -> Any:
    # The original drops `AWS::NoValue` from objects and leaves a null for it in lists.
    def clean_json(resource_json: Any, resources_map: Any) -> Any:
        if isinstance(resource_json, list):
            resolved = (clean_json(item, resources_map) for item in resource_json)
            return [item for item in resolved if item is not None]
        return original(resource_json, resources_map)

    return clean_json


@replaces("moto.cloudformation.models:Stack.parse_template", "(template)")
def _read_template(session: Session, original: Any) -> Any:
    # The original reads JSON as the YAML that it also is, which takes a hundred times as long.
    def parse_template(template: str) -> Any:
        try:
            return json.loads(template)
        except ValueError:
            return original(template)

    return staticmethod(parse_template)
