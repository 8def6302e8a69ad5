"""The API: routes, throttles, access logs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from dev.emulator.inside import specificity
from support import events
from support.template import ALARMS, FILTERED, FOLDERS, FUNCTIONS, PARAMETERS, RESOURCES, ROOT, of_type


def test_the_access_log_tells_of_a_request_under_the_name_that_functions_log() -> None:
    said = json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])
    assert said["correlation_id"] == "$context.requestId"


def http_events() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every HTTP event: the function's logical id, the event's properties."""
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            if event["Type"] == "HttpApi":
                yield name, {"Method": "", "Path": "$default"} | event["Properties"]


def test_access_logs_name_routes_and_no_path_address_or_agent() -> None:
    for name, api in of_type("AWS::Serverless::HttpApi").items():
        settings = api["AccessLogSettings"]
        used = set(re.findall(r"\$context\.([A-Za-z.]+)", settings["Format"]))
        assert used <= {
            "requestId",
            "routeKey",
            "status",
            "responseLatency",
            "integrationLatency",
            "integration.status",  # integrationStatus is Lambda's own, which is always 200
            "responseLength",
        }, name
        assert "routeKey" in used
        assert json.loads(settings["Format"].replace("\n", ""))
        assert RESOURCES[settings["DestinationArn"]["Fn::GetAtt"][0]]["Type"] == "AWS::Logs::LogGroup"


def test_an_old_accounts_policy_for_logs_has_room_for_ours() -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html"""
    assert RESOURCES["HttpApiLogs"]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/")


def test_the_api_is_throttled() -> None:
    apis = of_type("AWS::Serverless::HttpApi")
    assert apis
    for name, api in apis.items():
        assert api["DefaultRouteSettings"]["ThrottlingRateLimit"], name
        assert api["DefaultRouteSettings"]["ThrottlingBurstLimit"], name
        assert "CorsConfiguration" not in api, name


ROUTES: Final = [(properties["Method"], properties["Path"], name) for name, properties in http_events()]
OPT_OUT_ROUTES: Final = {"POST /u/{token+}", "POST /u/page/{token}", "POST /u/page/{token+}"}


def pattern_of(route_path: str) -> str:
    """What a route's path fits, as a regular expression."""
    return re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+\+\}", ".+", route_path))


def answers(method: str, path: str) -> str:
    """The function that a request gets to: a full match comes before a greedy one, a method before any.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [
        (specificity(route_method, route_path), name)
        for route_method, route_path, name in ROUTES
        if route_method in {method, "ANY"} and re.fullmatch(pattern_of(route_path), path)
    ]
    (elsewhere,) = (name for _, path, name in ROUTES if path == "$default")
    return max(found, default=((), elsewhere))[1]


def test_every_route_leads_to_the_one_api() -> None:
    for name, properties in http_events():
        assert properties["ApiId"] == {"Ref": "HttpApi"}, name


def test_whatever_the_method_a_function_answers_and_one_click_is_post_alone() -> None:
    """What no page knows is refused by the pages' function, in the brand's look."""
    for _, path, _ in ROUTES:
        plain = re.sub(r"\{\w+\+?\}", "x", path)
        assert "OneClickFunction" not in {answers(method, plain) for method in ("GET", "HEAD", "PUT", "OPTIONS")}


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("POST", "/u/abc.def-g", "OneClickFunction"),
        ("POST", "/u/abc.def-g/", "OneClickFunction"),
        ("POST", "/u/abc.def-g>/x", "OneClickFunction"),
        ("POST", "/u/page/abc", "UnsubscribeFunction"),
        ("POST", "/u/page/abc/", "UnsubscribeFunction"),
        ("POST", "/u/undo/abc>/x", "UnsubscribeFunction"),
        ("GET", "/u/reason/abc/", "UnsubscribeFunction"),
        ("POST", "/u/undo/abc", "UnsubscribeFunction"),
        ("POST", "/u/reason/abc", "UnsubscribeFunction"),
        ("GET", "/u/abc.def-g", "UnsubscribeFunction"),
        ("HEAD", "/u/abc.def-g/", "UnsubscribeFunction"),
        ("PUT", "/u/abc.def-g", "UnsubscribeFunction"),
        ("POST", "/c/abc/", "ConfirmFunction"),
        ("GET", "/p/abc/", "PreferencesFunction"),
        ("POST", "/k/abc/", "PreferencesFunction"),
    ],
)
def test_a_request_gets_to_the_function_that_knows_it(method: str, path: str, function: str) -> None:
    assert answers(method, path) == function


def test_a_flood_of_visits_uses_nothing_up_of_what_opt_outs_may() -> None:
    api = RESOURCES["HttpApi"]["Properties"]
    own = {"ThrottlingRateLimit": {"Ref": "OptOutsPerSecond"}, "ThrottlingBurstLimit": {"Ref": "OptOutBurst"}}
    assert api["RouteSettings"] == dict.fromkeys(OPT_OUT_ROUTES, own)
    assert {f"{method} {path}" for method, path, _ in ROUTES} >= OPT_OUT_ROUTES
    assert PARAMETERS["OptOutsPerSecond"]["Default"] > PARAMETERS["RequestsPerSecond"]["Default"]


def test_whatever_the_gateway_refuses_is_counted_and_opt_outs_apart() -> None:
    """The access log has its status as text. A filter's syntax:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    assert json.loads(RESOURCES["HttpApi"]["Properties"]["AccessLogSettings"]["Format"])["status"] == "$context.status"
    opt_outs, others = (FILTERED[name]["FilterPattern"] for name in ("OptOutsRefused", "RequestsRefused"))
    for pattern, operator in ((opt_outs, "="), (others, "!=")):
        assert '$.status = "429"' in pattern
        assert set(re.findall(rf'\$\.route {operator} "([^"]+)"', pattern)) == OPT_OUT_ROUTES
    assert {each["LogGroupName"]["Ref"] for each in FILTERED.values()} == {"HttpApiLogs"}
    assert ALARMS["OptOutsRefusedAlarm"]["Threshold"] == 0


def in_code(path: Path) -> set[str]:
    """The paths that a function's handler gives to `web.router`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "web.router" and isinstance(node.args[0], ast.Dict):
            found |= {key.value for key in node.args[0].keys if isinstance(key, ast.Constant)}
    return found


def test_every_route_of_the_template_is_answered_and_every_answer_has_its_route() -> None:
    declared: dict[str, set[str]] = {}
    for name, properties in http_events():
        declared.setdefault(FUNCTIONS[name]["CodeUri"], set()).add(properties["Path"])
    coded = {f"functions/{folder.name}": in_code(folder / "handler.py") for folder in FOLDERS}
    # The API has a resolver of its own, and the webhook takes whatever reaches it.
    rest = {"functions/api": {"/v1/{proxy+}"}, "functions/webhook": {"/hooks/{brand}/{provider}"}}
    assert declared == {function: paths for function, paths in coded.items() if paths} | rest


def test_every_call_of_the_api_is_below_its_route() -> None:
    tree = ast.parse((ROOT / "functions/api/handler.py").read_text())
    paths = {
        ast.literal_eval(decorator.args[0])
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func) in {"app.get", "app.post", "app.delete"}
        and isinstance(decorator.args[0], ast.Constant)
    }
    assert len(paths) > 3
    assert all(path.startswith("/v1/") for path in paths)
    assert "/v1/{proxy+}" in [properties["Path"] for _, properties in http_events()]


def test_the_tests_know_every_route() -> None:
    named = {
        " ".join((name.removesuffix("Function").lower(), *f"{method} {path}".split())) for method, path, name in ROUTES
    }
    assert named == {f"{function} {route}" for function, route, _ in events.ROUTES}
