"""Where the development environment finds and keeps things, all below the project's root."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
"""Everything that a run or a set-up leaves behind; never committed, safe to delete while nothing runs."""
TOOLS = LOCAL / "tools"
"""Virtual environments beside the project's, by dependency group of pyproject.toml, and what only npm has."""

VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
SAM_VENV = TOOLS / "sam"
MINISTACK_VENV = TOOLS / "ministack"
AUDIT_VENV = TOOLS / "audit"
DOCS_VENV = TOOLS / "docs"
BENCH_VENV = TOOLS / "bench"
"""What the benchmarks run functions and peers under."""

NPM = TOOLS / "npm"
"""What the packages of npm go to; absent where there is no npm to fetch them with."""
DIAGRAMS = NPM / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
"""What draws the diagrams of the documentation site."""
CANIEMAIL = NPM / "node_modules" / "caniemail"
"""What knows which features email programs lack."""
DYNAMODB_LOCAL = NPM / "node_modules" / "amplify-dynamodb-simulator" / "emulator"
"""Amazon's DynamoDB Local: ``DynamoDBLocal.jar`` and ``DynamoDBLocal_lib/``."""
AXE = NPM / "node_modules" / "axe-core"
"""axe-core, which has ``axe.min.js``."""
BROWSERS = LOCAL / "browsers"
"""Where Playwright puts a browser of its own, on machines that have none."""

STACK_FILE = "stack.json"
"""What a running stack says of itself, in `LOCAL` or a test's folder."""
SHELL_FILE = "env"
"""The same for a shell, beside it."""
SETUP_LOCK = LOCAL / "setup.lock"
BUILD_LOCK = LOCAL / "build.lock"
