# Two commands matter: `make up` starts everything, `make test` tests it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
NATIVE := build/native
HOT := fuzz gateway/http gateway/observability gateway/roles gateway/routing gateway/upstream

.PHONY: up test thorough rehearse check bench screenshots wheel native test-native clean
up: $(INSTALLED)           ## start the shop behind the gateway; Ctrl-C stops it
	@$(BIN)/gatehouse up

test: $(INSTALLED)         ## the test suite, in minutes
	@$(BIN)/python -m pytest -m "not thorough" --numprocesses 2 --dist loadfile $(ARGS)

thorough: $(INSTALLED)     ## what takes longer: browsers, peers, Prometheus, the mesh under attack, four architectures
	@$(BIN)/python -m pytest -m thorough $(ARGS)

rehearse: $(INSTALLED)     ## before class: every lesson, attack, control and incident, for real, in a quarter of an hour
	@$(BIN)/gatehouse lesson selfcheck && $(BIN)/gatehouse lab selfcheck && $(BIN)/gatehouse lab matrix && $(BIN)/gatehouse incident selfcheck

check: $(INSTALLED)        ## linters and type checker
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(INSTALLED)        ## side by side with every peer found on this machine
	@$(BIN)/python -m benchmarks

screenshots: $(INSTALLED)  ## take the pictures of the console in docs/images anew (needs Chromium; 4 minutes)
	@$(BIN)/python -m tests.browser.screenshots

wheel: $(INSTALLED)        ## build dist/gatehouse-*.whl
	@$(BIN)/python -m hatchling build -t wheel

native: $(INSTALLED)       ## compile the hot path to C, in two minutes: dist/gatehouse-*-cp*.whl, laid out in build/native (docs/native.md)
	@rm -rf $(NATIVE) && mkdir -p $(NATIVE)
	@$(BIN)/python -m hatchling build -t sdist -d $(NATIVE)
	@HATCH_BUILD_HOOKS_ENABLE=true $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w $(NATIVE) $(NATIVE)/gatehouse-*.tar.gz
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(NATIVE)/site $(NATIVE)/gatehouse-*.whl
	@mkdir -p dist && cp $(NATIVE)/gatehouse-*.whl dist/ && ls dist/gatehouse-*-cp*.whl

test-native: $(INSTALLED)  ## the tests of the hot path, which `make native` has compiled, in a minute
	@$(BIN)/python -c "import sys; from benchmarks import native; sys.exit(not native.version() and 'There is no native build of these sources: make native')"
	@PYTHONSAFEPATH=1 PYTHONPATH=$(NATIVE)/site $(BIN)/python -P -m pytest -o pythonpath= -m "not thorough" --numprocesses 2 --dist loadfile $(addprefix tests/,$(HOT)) $(ARGS)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Creating $(VENV) and installing pinned dependencies (once)…"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gatehouse needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 …")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:                     ## remove the environment and caches (never your shop's state)
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
