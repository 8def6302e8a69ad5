"""`python expand.py`, with SAM's own interpreter: what its translator makes of a template, as JSON.

Reads the template and a list of parameter values from its input, and writes the template for each of them. Code stands
where it always does by then, in some bucket, under the name of its folder.
"""

from __future__ import annotations

import copy
import json
import sys

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

template, all_values = json.load(sys.stdin)
for resource in template["Resources"].values():
    for place in {"CodeUri", "ContentUri"} & set(resource.get("Properties", {})):
        resource["Properties"][place] = f"s3://bucket/{resource['Properties'][place]}"
session = boto3.Session(region_name="us-east-1")
json.dump(
    [
        Translator({}, Parser(), boto_session=session).translate(copy.deepcopy(template), values)
        for values in all_values
    ],
    sys.stdout,
)
