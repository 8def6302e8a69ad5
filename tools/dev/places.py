"""Where the embedded stack finds and keeps things, all below the project's root."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
"""Everything that a run or a set-up leaves behind; never committed, safe to delete while nothing runs."""

VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
SAM_VENV = LOCAL / "tools" / "sam"
MINISTACK_VENV = LOCAL / "tools" / "ministack"
AUDIT_VENV = LOCAL / "tools" / "audit"
DOCS_VENV = LOCAL / "tools" / "docs"
BENCH_VENV = LOCAL / "tools" / "bench"
"""What the benchmarks run functions and peers under."""
DIAGRAMS = LOCAL / "tools" / "mermaid" / "mermaid.tiny.js"
"""What draws the diagrams of the documentation site; absent where there is no npm to fetch it with."""
CANIEMAIL = LOCAL / "tools" / "caniemail" / "node_modules" / "caniemail"
"""The npm package that knows what mail programs lack."""
DYNAMODB_LOCAL = LOCAL / "dynamodb-local"
"""Amazon's DynamoDB Local, unpacked: ``DynamoDBLocal.jar`` and ``DynamoDBLocal_lib/``."""
AXE = LOCAL / "axe"
"""axe-core, unpacked: ``axe.min.js``."""
BROWSERS = LOCAL / "browsers"
"""Where Playwright puts a browser of its own, on machines that have none."""

SETUP_LOCK = LOCAL / "setup.lock"
BUILD_LOCK = LOCAL / "build.lock"
