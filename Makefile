# What ferlab is asked to do, in one word each. `make help` lists them.
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo train test test-slow lint format check data bench results clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	touch $@

setup: $(READY) ## the environment in .venv (made by the others when it is missing)

demo: $(READY) ## train on drawn faces, evaluate, write the report: about two minutes on two cores
	$(PY) -m ferlab.train experiment=demo name=demo outputs=outputs/demo
	$(PY) -m ferlab.evaluate "runs=$$(ls -td outputs/demo/demo* | head -1)" 'tta=[none,flip]' split=test outputs=outputs/demo

data: $(READY) ## read the raw data in data/ and say what is in it (DATA=fer2013)
	$(PY) -m ferlab.prepare data=$(or $(DATA),fer2013)

train: $(READY) ## the five-layer net on FER2013 (ARGS="seed=1 class_weights=balanced")
	$(PY) -m ferlab.train experiment=five_layer data=fer2013 $(ARGS)

test: $(READY) ## every test that needs no more than this checkout
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 -q $(ARGS)

test-slow: $(READY) ## the slow tests, with real data where ../shared has it
	OMP_NUM_THREADS=2 $(PY) -m pytest -m slow --timeout=900 -q $(ARGS)

lint: $(READY) ## style and traps, changing nothing
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

format: $(READY) ## mend the style
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

check: lint test ## what a change must pass

bench: $(READY) ## the CPU benchmarks, one after another
	for b in read_csv open_store input_pipeline train_step lightning_step; do $(PY) -m benchmarks.$$b; done

results: $(READY) ## write the tables of README.md and results/README.md anew from results/
	$(PY) -m ferlab.compare 'reports=results/*/*/report.json' split=test tta=none into=results/README.md name=single
	$(PY) -m ferlab.compare 'reports=results/*/*/report.json' split=test tta=views12 into=results/README.md name=views12
	$(PY) -m ferlab.compare 'reports=[results/five_layer-*/*-none/report.json,results/five_layer-*/*-views12/report.json,results/baseline-*/*-none/report.json,results/baseline-*/*-views12/report.json]' split=test tta=none into=README.md name=fer2013

clean: ## remove the environment and what tools left; outputs/ and data/ stay
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache src/*.egg-info
	find . -name __pycache__ -type d -not -path './data/*' -exec rm -rf {} +
