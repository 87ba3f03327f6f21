.DEFAULT_GOAL := help
VENV_PYTHON := .venv/bin/python
PORT := 7071

.PHONY: help setup run test bench backbone lock

help:  ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

setup:  ## Create .venv with everything needed (once; the other targets call it)
	@sh devhost/setup.sh

run: setup  ## Run the app on http://localhost:7071 with the sample photos (PORT=… for another port)
	@$(VENV_PYTHON) -m devhost --port $(PORT) --images samples/images

test: setup  ## Check style and types, then run all tests
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy
	$(VENV_PYTHON) -m pytest

bench: setup  ## Measure speed and memory against baselines; writes docs/performance.md
	$(VENV_PYTHON) -m tests.bench

backbone: setup  ## Rebuild the network's file from its weights and its photos
	$(VENV_PYTHON) -m shared.backbone.recipe

lock: setup  ## Pin everything in requirements-dev.txt anew
	$(VENV_PYTHON) -m pip install --quiet uv
	$(VENV_PYTHON) -m uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	  --no-annotate --custom-compile-command "make lock" --output-file requirements-dev.lock requirements-dev.txt
