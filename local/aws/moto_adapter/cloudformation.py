"""CloudFormation: what moto's stacks leave out of a state machine."""

import json
from typing import Any

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
        cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Any:
        properties = cloudformation_json["Properties"]
        definition = properties.get("DefinitionString") or json.dumps(properties["Definition"])
        for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            definition = definition.replace("${%s}" % name, json.dumps(text)[1:-1])
        return step_functions(account_id, region_name).create_state_machine(
            name=properties.get("StateMachineName", resource_name),
            definition=definition,
            roleArn=properties.get("RoleArn", ""),
            tags=[{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])],
            sm_type=properties.get("StateMachineType", "STANDARD"),
        )

    return classmethod(create)
