"""How such a function is usually begun: everything that Powertools has, boto3's resource, a validating resolver."""

from __future__ import annotations

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

logger = Logger(service="conventional")
tracer = Tracer(service="conventional")
metrics = Metrics(namespace="conventional", service="conventional")
app = APIGatewayHttpResolver(enable_validation=True)
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


@app.post("/u/<token>")
def leave(token: str) -> dict[str, str]:
    table.update_item(
        Key={"pk": token, "sk": "STATE"}, UpdateExpression="SET gone = :now", ExpressionAttributeValues={":now": 1}
    )
    return {"status": "unsubscribed"}


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
