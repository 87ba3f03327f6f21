.DEFAULT_GOAL := help
VENV_PYTHON := .venv/bin/python
PORT := 7071

.PHONY: help setup run test soak test-live bench backbone lock

help:  ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile

setup:  ## Create .venv with everything needed (once; the other targets call it)
	@sh devhost/setup.sh

run: setup  ## Run the app on http://localhost:7071 with the sample photos (PORT=…; STORE=cosmos: on a Cosmos DB test server)
ifeq ($(STORE),cosmos)
	@rm -rf .local/on-cosmos
	@$(VENV_PYTHON) -m tests.servers.cosmos -- \
	  $(VENV_PYTHON) -m devhost --port $(PORT) --images samples/images --data .local/on-cosmos
else
	@$(VENV_PYTHON) -m devhost --port $(PORT) --images samples/images
endif

test: setup  ## Check style and types, then run all tests
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m pytest --numprocesses 2 --dist worksteal

soak: setup  ## Thousands of uploads and deletes, events gone wrong and hosts killed: three seeds on both stores (6 minutes)
	SOAK_SEEDS=3 $(VENV_PYTHON) -m pytest --numprocesses 2 --dist worksteal tests/test_soak.py

test-live: setup  ## Test the Cosmos DB store on the emulator or an account (COSMOS_TEST_ENDPOINT, COSMOS_TEST_KEY, COSMOS_TEST_INDEX)
	$(if $(COSMOS_TEST_ENDPOINT),,$(error Set COSMOS_TEST_ENDPOINT and COSMOS_TEST_KEY; COSMOS_TEST_INDEX is flat, quantizedFlat or diskANN))
	$(VENV_PYTHON) -m pytest tests/shared/test_cosmos_store.py tests/shared/test_cosmos_faults.py tests/shared/migrate

bench: setup  ## Measure speed and memory against baselines; writes docs/performance.md
	PYTHONWARNINGS="ignore:Unverified HTTPS request" $(VENV_PYTHON) -m tests.bench

backbone: setup  ## Rebuild the network's file from its weights and its photos
	$(VENV_PYTHON) -m shared.backbone.recipe

lock: setup  ## Pin everything in requirements-dev.txt anew
	$(VENV_PYTHON) -m pip install --quiet uv
	$(VENV_PYTHON) -m uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" --output-file requirements-dev.lock requirements-dev.txt
