"""`python -m audit`: a line for each check; exits with 1 if one found something."""

from __future__ import annotations

import sys

from audit import packages, template


def main() -> int:
    """Run the checks; the exit status."""
    found = []
    for name, check in (("template.yaml", template.check), ("packages", packages.check)):
        verdict = check()
        print(f"{name}: {verdict.told}")
        for each in verdict.found:
            print(f"  {each}")
        found += verdict.found
    return 1 if found else 0


sys.exit(main())
