"""`python parliament_says.py`, with the interpreter of the security checks: what parliament finds in policies.

Reads an object of policies by name, and writes a list of what it found: name, issue, detail.
"""

from __future__ import annotations

import json
import sys

from parliament import analyze_policy_string

found = [
    (name, each.issue, each.detail or each.location.get("string", ""))
    for name, document in json.load(sys.stdin).items()
    for each in analyze_policy_string(
        json.dumps(document), ignore_private_auditors=True, include_community_auditors=True
    ).findings
]
json.dump(found, sys.stdout, default=str)
