# Everything that one does with this project. `make` lists it.

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help run test check bench docs fuzz properties deploy rehearse dist lock pictures setup
export SAM_CLI_TELEMETRY = 0
export SAM_CLI_ENABLE_LANGUAGE_EXTENSIONS = 1

# Any Python from 3.11 up; PYTHON=/some/python chooses one.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v "$$p" && break; done)
NEED_PYTHON = "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "error: this project needs Python 3.11 or newer: install it, or say where it is with PYTHON=/path" >&2; exit 1; }
SETUP = $(NEED_PYTHON); PYTHONPATH=tools "$(PYTHON)" -m dev.setup
# Where the brand files are: a company may keep its own elsewhere.
BRANDS = $(if $(CONSENTRY_BRANDS),$(abspath $(CONSENTRY_BRANDS)),$(CURDIR)/brands)
SAM = .local/tools/sam/bin/sam
SAM_PYTHON = .local/tools/sam/bin/python
# Three workers for two cores: the one that injects faults mostly waits. tests/conftest.py says what they share out.
EVERYTHING = --cov --numprocesses=3

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and run the whole stack on this machine; PORT=N, AWS_PORT=N and DYNAMODB_ENDPOINT_URL=… move parts, CONSENTRY_BRANDS=FOLDER has your brand files
	@$(SETUP) && exec env CONSENTRY_BRANDS="$(BRANDS)" PYTHONPATH=tools .venv/bin/python -m dev.emulator

test: ## run every test; ARGS='-k name' and the like go to pytest
	@$(SETUP) --tests && exec .venv/bin/pytest $(or $(ARGS),$(EVERYTHING))

check: ## formatting, lint, types, the template, the documentation, a rehearsal of the deployment, and what is known of the packages
	@$(SETUP) --checks --docs
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	PYTHONPATH=layers/consentry .venv/bin/lint-imports --no-logo --no-cache
	.venv/bin/cfn-lint template.yaml
	$(SAM) validate --lint --region us-east-1
	PYTHONPATH=tools .venv/bin/python -m dev.handbook
	PYTHONPATH=tools .venv/bin/python -m dev.audit

bench: ## measure starts, clicks, links, decisions and a peer; ARGS='starting clicking' chooses, ARGS=--strict fails on a bar missed
	@$(SETUP) --benchmarks && exec env PYTHONPATH=tests:tools:layers/consentry .venv/bin/python -m benchmarks $(ARGS)

docs: ## make the documentation site in .local/site; ARGS=serve shows it
	@$(SETUP) --docs && exec env PYTHONPATH=tools .venv/bin/python -m dev.handbook $(ARGS)

fuzz: ## fuzz one target for as long as you like: ARGS='pages -max_total_time=600'; without ARGS, list the targets
	@$(SETUP) && mkdir -p .local/fuzz && exec env PYTHONPATH=tests:tools:layers/consentry TMPDIR="$(CURDIR)/.local/fuzz" \
	  .venv/bin/python -m fuzz $(ARGS) $(and $(ARGS),-artifact_prefix=.local/fuzz/)

properties: ## try the properties that tests state with inputs drawn anew; ARGS go to pytest
	@$(SETUP) --tests && exec env HYPOTHESIS_ANEW=1 .venv/bin/pytest -m hypothesis --numprocesses=2 $(ARGS)

deploy: ## deploy to your AWS account, the first time with ARGS=--guided; SET='Name=value' changes a parameter for good
	@$(SETUP)
	find functions layers -name __pycache__ -prune -exec rm -rf {} +
	@env CONSENTRY_BUILD_PYTHON="$(CURDIR)/.venv/bin/python" CONSENTRY_BRANDS="$(BRANDS)" PYTHONPATH="$(CURDIR)/tools" \
	  $(SAM_PYTHON) -m dev.deploying $(ARGS)

rehearse: ## walk through the stack that make run has here, or through a deployed one: ARGS='STACK --json rehearsal.json'
	@$(SETUP) && exec env PYTHONPATH=tools .venv/bin/python -m dev.rehearsing $(ARGS)

dist: ## build what a release has, of what is committed, in .local/dist: the command's wheel, the template with all that it uploads
	@$(SETUP)
	rm -rf .local/dist .local/release && mkdir -p .local/dist .local/release/source
	git archive HEAD | tar -x -C .local/release/source
	.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir .local/dist .local/release/source
	@env CONSENTRY_BUILD_PYTHON="$(CURDIR)/.venv/bin/python" CONSENTRY_BRANDS="$(BRANDS)" PYTHONPATH="$(CURDIR)/tools" \
	  $(SAM) build --build-dir .local/release/built
	tar -C .local/release/built -czf .local/dist/consentry-template.tar.gz .

lock: ## write the vendor layer's lock file anew, from its requirements.in
	@$(SETUP)
	cd layers/vendor && ../../.venv/bin/uv pip compile requirements.in --universal --python-version 3.11 \
	  --generate-hashes --no-header --quiet --output-file requirements.txt

pictures: ## take the pictures of the pages in docs/pictures; ARGS=--all takes all of them, in .local/pictures
	@$(SETUP) --tests && exec env PYTHONPATH=tools .venv/bin/python -m dev.screenshots $(ARGS)

setup: ## only set up what the others need
	@$(SETUP)
