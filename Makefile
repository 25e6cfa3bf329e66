# Everything is set up in .venv from constraints/dev.txt; needs Python 3.11 or newer (with venv), make and git.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed

.PHONY: run test shipped shipped-alone shipped-beside lint constraints kind clean
.DEFAULT_GOAL := run

run: $(SETUP)
	$(BIN)/statefall run

# What is compiled is kept, whatever the environment says: else each of the test processes would rewrite the
# assertions of every file anew. Whole files go to a process, those that take long first (tests/conftest.py).
SPREAD := --dist loadfile --no-loadscope-reorder
test: export PYTHONDONTWRITEBYTECODE :=
test: lint
	$(BIN)/pytest -m "not kubernetes and not shipped" --numprocesses 4 $(SPREAD) $(PYTEST_ARGS)

# What ships, run from end to end: every experiment shortened, every documented command, the built wheel, the
# manifests' linters. The default experiment has gates that a busy machine can miss: it runs alone.
ALONE := tests/main_job/test_default_experiment.py
shipped: shipped-alone shipped-beside
shipped-alone shipped-beside: export PYTHONDONTWRITEBYTECODE :=
shipped-alone: $(SETUP)
	$(BIN)/pytest -m "shipped and not kubernetes" $(ALONE) $(PYTEST_ARGS)
shipped-beside: $(SETUP)
	$(BIN)/pytest -m "shipped and not kubernetes" $(ALONE:%=--ignore %) --numprocesses 3 $(SPREAD) $(PYTEST_ARGS)

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(SETUP): constraints/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Statefall needs Python 3.11 or newer: set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Pin anew: the newest versions that pyproject.toml allows, with hashes, for every platform and Python.
constraints: $(SETUP)
	$(BIN)/uv pip compile --universal --python-version 3.11 --all-extras --upgrade --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints/dev.txt pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra kubernetes --group pyproject.toml:build --constraints constraints/dev.txt --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints/image.txt pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --group manifests --upgrade --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o constraints/manifests.txt

# For those who have kind: a cluster, the image in its nodes, and both twins behind the sticky balancer.
CONTAINER ?= docker
IMAGE := statefall:0.1.0
kind:
	kind get clusters | grep -qx statefall || kind create cluster --config k8s/kind.yaml
	$(CONTAINER) build -f Containerfile -t $(IMAGE) .
	kind load docker-image $(IMAGE) --name statefall
	kubectl --context kind-statefall apply -k k8s/overlays/sticky
	kubectl --context kind-statefall -n statefall get secret statefall >/dev/null 2>&1 || \
	  kubectl --context kind-statefall -n statefall create secret generic statefall \
	    --from-literal=database-password=$$(openssl rand -hex 16) --from-literal=store-password=$$(openssl rand -hex 16) \
	    --from-literal=jwt-keys=$$(openssl rand -hex 32) --from-literal=state-keys=$$(openssl rand -hex 32)
	kubectl --context kind-statefall -n statefall wait --for=condition=Available deployment --all --timeout=300s

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
