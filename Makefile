# Each target sets up what it needs in a virtual environment of its own. PYTHON: the interpreter to make it with (3.11 to 3.13).
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
PAIR ?= milvus-qdrant
# Many tests wait for servers, so twice as many workers as a machine of two cores has; each has servers of its own. They must
# agree on the names of tests, some of which print sets: hence the hash seed. A file stays together, for its servers; those
# that take long begin first (tests/conftest.py), so that no worker ends late.
WORKERS ?= 4
BY_FILE := --dist loadfile --no-loadscope-reorder
# Tests start hundreds of processes: each would compile the whole package, and each worker all tests, where nothing is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench weaviate lock docs clean help
help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.ready-%: pyproject.toml protos/build_hook.py $(wildcard protos/vecferry/*.proto) requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable ".[$*]"
	@touch $@

demo: $(VENV)/.ready-demo ## the whole migration on real servers, with a live display
	$(BIN)/python -m demo $(PAIR)

test: $(VENV)/.ready-dev ## all tests that this machine can run; those that look at times, by themselves
	PYTHONHASHSEED=0 $(BIN)/python -m pytest --numprocesses $(WORKERS) $(BY_FILE) -m "not alone" $(ARGS) \
		|| { test $$? -eq 1 && PYTHONHASHSEED=0 $(BIN)/python tests/second_look.py; }
	$(BIN)/python -m pytest -m alone $(shell grep --recursive --files-with-matches 'pytest.mark.alone' tests --include='*.py') $(ARGS)

check: $(VENV)/.ready-dev ## format, lint, types, import rules, Kubernetes files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/kubernetes-validate --strict --quiet deploy/kubernetes/*.yaml

bench: $(VENV)/.ready-dev $(VENV)/.ready-bench ## side by side with Envoy and nginx; direct against mirrored
	$(BIN)/python -m benchmarks $(ARGS)

# Ten minutes on two cores, and 4 GB of Go's caches: too much for `make test` to do by itself.
weaviate: ## a real Weaviate for the tests that otherwise say that they lack one; needs Go
	GOBIN=$(CURDIR)/.cache/bin CGO_ENABLED=0 go install -tags netgo github.com/weaviate/weaviate/cmd/weaviate-server@v1.39.0

lock: $(VENV)/.ready-dev ## the versions that the image and CI install
	$(BIN)/python -m pip freeze --exclude-editable > requirements.lock

docs: $(VENV)/.ready-dev ## the pages that are printed from the code
	$(BIN)/vecferry config keys > docs/configuration.md

clean:
	rm -rf $(VENV) .venvs .cache proxy/_pb
