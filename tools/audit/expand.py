"""`python expand.py TEMPLATE`, with SAM's own interpreter: what its translator makes of a template, as JSON.

Code stands where it always does by then, in some bucket.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

template = yaml_parse(Path(sys.argv[1]).read_text(encoding="utf-8"))
for resource in template["Resources"].values():
    for place in {"CodeUri", "ContentUri"} & set(resource.get("Properties", {})):
        resource["Properties"][place] = "s3://bucket/key"
defaults = {name: each.get("Default", "some") for name, each in template["Parameters"].items()}
translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
json.dump(translator.translate(template, defaults), sys.stdout)
