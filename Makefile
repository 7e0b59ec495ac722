# A private Python package index that holds only what was approved.
#
#   requirements.in  packages.yaml        wanted, by people
#         │ make lock                     pip-compile, once per set and target
#         ▼
#   locks/<set>/<target>.txt              approved: committed, reviewed
#         │ make index                    fetch, list, judge, build, check, publish
#         ▼
#   $(PYPI_ROOT)/web                      the release that is live
#         │ make serve                    Caddy
#         ▼
#   pip install --index-url=http://…/simple/

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
.DELETE_ON_ERROR:
# `make lock index` means one after the other, with --jobs too.
.NOTPARALLEL:
.DEFAULT_GOAL := help

# What you may override, in the environment or as `make PYPI_ROOT=/mnt/pypi index`.
PYPI_ROOT ?= pypi#              the shared folder that is published
LISTEN ?= :8000#                where `make serve` listens: host:port
UPSTREAM ?=#                    the index to take from; default: pip's own index-url
PACKAGE ?=#                     the project that `make why` explains, or the one that `make upgrade` moves; default: all
KEEP ?= 5#                      how many releases stay
FETCH_TIMEOUT ?= 3600#          seconds that all downloads of one run may take
PYTHON ?= python3#              what .venv is made with: 3.11 or newer
VENV ?= .venv
SOAK_MINUTES ?= 60#          when `make soak` stops and counts what it has done
TESTS ?= not slow#              which tests to run, as pytest's -m; empty: all
BASE ?=#                        what `make review` compares with; default: where HEAD left the default branch
FORMAT ?= markdown#             of `make review`: markdown or json
STRICT ?=#                      1: `make review` fails where something needs a decision
TO ?=#                          the release that `make rollback` goes to; default: the one before what is live
FORCE ?=#                       1: `make index` publishes again what was rolled back, `make import` an older release
SIGNING_KEY ?=#                 the key that signs releases, as a path; ssh-keygen makes one
ALLOWED_SIGNERS ?= allowed_signers#  whose signatures count, in ssh-keygen's format
BUNDLE ?=#                      the file that `make bundle` writes and `make import` reads; default: <id>.bundle
SINCE ?=#                       the release that the other side has: `make bundle` leaves out what is in it
URL ?=#                         the server that `make verify` asks; default: PYPI_ROOT is read
REVIEW ?= review.md#        what `make comment` writes
PROPOSAL ?= proposal#       the folder that `make propose` takes from
BENCH ?=#                   groups that `make bench` measures, such as index,serve; default: all, and docs/ is written
BENCH_SIZES ?= 1000,10000,100000# numbers of files that it measures `make index` with
CADDY ?= $(VENV)/bin/caddy#     your own binary, in place of the pinned wheel
export PYPI_ROOT LISTEN UPSTREAM PACKAGE KEEP FETCH_TIMEOUT BASE FORMAT STRICT URL REVIEW PROPOSAL CADDY TESTS
export TO FORCE SIGNING_KEY ALLOWED_SIGNERS BUNDLE SINCE SOAK_MINUTES BENCH BENCH_SIZES

RUN = $(VENV)/bin/python -m scripts
# Your own binary is yours to make.
OUR_CADDY = $(filter $(VENV)/bin/caddy,$(CADDY))
TOOLS := $(VENV)/tools.txt
TEST_TOOLS := $(VENV)/test-tools.txt

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The tools, pinned with hashes: what builds the index is as strictly approved as what it holds.
$(TOOLS): scripts/requirements.txt
	@$(PYTHON) scripts/install_tools.py $(VENV) $<
	@cp $< $@

$(TEST_TOOLS): tests/requirements.txt $(TOOLS)
	@$(PYTHON) scripts/install_tools.py $(VENV) $<
	@cp $< $@

$(VENV)/bin/caddy: caddy/requirements.txt $(TOOLS)
	@$(PYTHON) scripts/install_tools.py $(VENV) $<
	@touch $@

.PHONY: lock
lock: $(TOOLS) ## Write locks/ for what requirements.in and packages.yaml ask; keeps the pins that are there
	@$(RUN).lock --package="$$PACKAGE" --upstream="$$UPSTREAM"

.PHONY: upgrade
upgrade: $(TOOLS) ## The same, with the newest versions allowed; PACKAGE=name moves one project
	@$(RUN).lock --upgrade --package="$$PACKAGE" --upstream="$$UPSTREAM"

.PHONY: lock-check
lock-check: $(TOOLS) ## Say offline which locks are stale or missing
	@$(RUN).lock_check

.PHONY: review
review: $(TOOLS) ## Say what changed in the locks since BASE, for the comment on a pull request
	@$(RUN).review --base="$$BASE" --format="$$FORMAT" --strict="$$STRICT" --root="$$PYPI_ROOT" --upstream="$$UPSTREAM" --fetch-timeout="$$FETCH_TIMEOUT"

.PHONY: index
index: $(TOOLS) $(OUR_CADDY) ## Publish exactly what the locks name, to PYPI_ROOT
	@$(RUN).index --root="$$PYPI_ROOT" --upstream="$$UPSTREAM" --keep="$$KEEP" --fetch-timeout="$$FETCH_TIMEOUT" --caddy="$$CADDY" --signing-key="$$SIGNING_KEY" --allowed-signers="$$ALLOWED_SIGNERS" --force="$$FORCE"

.PHONY: closure
closure: $(TOOLS) ## Say which projects clients can install on which targets from the locks alone; publishes nothing
	@$(RUN).closure_matrix --root="$$PYPI_ROOT" --upstream="$$UPSTREAM" --fetch-timeout="$$FETCH_TIMEOUT"

.PHONY: why
why: $(TOOLS) ## Say why a project is here: PACKAGE=name; requirements, chains, release, commit, waivers
	@$(RUN).why_verb --root="$$PYPI_ROOT" --package="$$PACKAGE"

.PHONY: serve
serve: $(TOOLS) $(OUR_CADDY) ## Serve PYPI_ROOT on LISTEN with Caddy
	@$(RUN).serve --root="$$PYPI_ROOT" --listen="$$LISTEN" --caddy="$$CADDY"

.PHONY: verify
verify: $(TOOLS) ## Say whether PYPI_ROOT, or what the server at URL sends, is exactly what the locks name
	@$(RUN).verify --root="$$PYPI_ROOT" --url="$$URL" --fetch-timeout="$$FETCH_TIMEOUT" --allowed-signers="$$ALLOWED_SIGNERS"

# The four that need nothing but Python, so that they work where no registry is.
.PHONY: releases
releases: ## List the releases in PYPI_ROOT: when, how much, made of what, what changed, which is live
	@$(PYTHON) -m scripts.releases --root="$$PYPI_ROOT"

.PHONY: rollback
rollback: ## Make an older release live again: TO=id; default: the one before
	@$(PYTHON) -m scripts.rollback --root="$$PYPI_ROOT" --to="$$TO" --keep="$$KEEP" --allowed-signers="$$ALLOWED_SIGNERS"

.PHONY: bundle
bundle: ## Write the live release to one file, BUNDLE, for an index without a network; SINCE=id: only what is new
	@$(PYTHON) -m scripts.bundle --root="$$PYPI_ROOT" --bundle="$$BUNDLE" --since="$$SINCE"

.PHONY: import
import: ## Publish BUNDLE to PYPI_ROOT, if ALLOWED_SIGNERS vouches for it and it is newer than what is there
	@$(PYTHON) -m scripts.import_bundle --root="$$PYPI_ROOT" --bundle="$$BUNDLE" --keep="$$KEEP" --allowed-signers="$$ALLOWED_SIGNERS" --force="$$FORCE"

.PHONY: watch
watch: $(TOOLS) ## Say what became of what PYPI_ROOT serves since: yanked, deleted, quarantined, with advisories
	@$(RUN).watch --root="$$PYPI_ROOT" --upstream="$$UPSTREAM" --fetch-timeout="$$FETCH_TIMEOUT"

.PHONY: comment
comment: $(TOOLS) ## In CI: put REVIEW, which make review printed, below the pull request; the next one replaces it
	@$(RUN).comment --review="$$REVIEW"

.PHONY: propose
propose: $(TOOLS) ## In CI: open or renew a pull request with the locks/ and the review.md of PROPOSAL
	@$(RUN).propose --folder="$$PROPOSAL"

.PHONY: test
test: $(TEST_TOOLS) $(OUR_CADDY) ## Run the tests but the slow ones; the few marked live use the configured registry
	@$(VENV)/bin/python -m pytest --numprocesses=auto -m "$$TESTS"

.PHONY: soak
soak: $(TEST_TOOLS) $(OUR_CADDY) ## Kill it and fill its disk at every call that changes PYPI_ROOT; prints counts
	@$(VENV)/bin/python tests/soak.py --minutes="$$SOAK_MINUTES"

.PHONY: bench
bench: $(TEST_TOOLS) $(OUR_CADDY) ## Measure this project beside what it stands in for; writes docs/benchmarks.md
	@PYTHONPATH=.:tests $(VENV)/bin/python -m bench --groups="$$BENCH" --sizes="$$BENCH_SIZES" --caddy="$$CADDY" --peers=$(VENV)/bench

.PHONY: screenshots
screenshots: $(TEST_TOOLS) $(OUR_CADDY) ## Take the pictures in docs/ of what PYPI_ROOT publishes, with Chromium
	@$(VENV)/bin/python tests/screenshots.py --root="$$PYPI_ROOT" --caddy="$$CADDY"

.PHONY: lint
lint: $(TEST_TOOLS) $(OUR_CADDY) ## Check style and types
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy

.PHONY: tools
tools: $(TOOLS) ## Upgrade the pinned tools themselves
	@$(RUN).tools

.PHONY: clean
clean: ## Remove what make made in this checkout; never locks/ or what is published
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache scripts/__pycache__ tests/__pycache__ tests/bench/__pycache__
