"""The table, as the template declares it."""

from __future__ import annotations

from typing import Any

from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms


def create(client: Any, name: str, template: str) -> None:
    """Create the template's table, so that tests can't drift from what is deployed."""
    properties = loads(template)["Resources"]["Table"]["Properties"]
    client.create_table(
        TableName=name,
        BillingMode=str(properties["BillingMode"]),
        AttributeDefinitions=[_plain(each) for each in properties["AttributeDefinitions"]],
        KeySchema=[_plain(each) for each in properties["KeySchema"]],
        StreamSpecification={"StreamEnabled": True, **_plain(properties["StreamSpecification"])},
    )


def _plain(node: Any) -> Any:
    return {str(key): str(value) for key, value in node.items()}
