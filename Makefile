.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
PORT := 7071

.PHONY: help setup run test bench backbone lock

help:  ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

setup:  ## Create .venv with everything needed (once; the other targets call it)
	@sh devhost/setup.sh

run: setup  ## Run the app on http://localhost:7071 with the sample photos (PORT=… for another port)
	@$(PYTHON) -m devhost --port $(PORT) --images samples/images

test: setup  ## Check style and types, then run all tests
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

bench: setup  ## Measure speed and memory against baselines; writes docs/performance.md
	$(PYTHON) -m tests.bench

backbone: setup  ## Rebuild the network's file from its weights and its photos
	$(PYTHON) -m shared.backbone.recipe

lock: setup  ## Pin everything in requirements-dev.txt anew
	$(PYTHON) -m pip install --quiet uv
	$(PYTHON) -m uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" --output-file requirements-dev.lock requirements-dev.txt
