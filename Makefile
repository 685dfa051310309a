# One word for each task. `make help` lists them; ARGS="..." adds overrides to a command.
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
RUN = $(error type make $@ RUN=outputs/NAME)
MODEL ?= src/ferlab/inference/models/five_layer_world.onnx
WEB_READY := web/node_modules/.ready
BUILD = cd web && MODEL=$(abspath $(MODEL)) npm run --silent build
.PHONY: help setup demo train table2 paper web web-test test test-slow lint types format check docs data bench results pictures export ship clean

help: ## print this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 20
$(READY): pyproject.toml constraints.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt && touch $@
$(WEB_READY): web/package-lock.json
	@command -v npm >/dev/null || { echo "web: expected Node 20.19 or newer with npm, found none; install it" >&2; exit 1; }
	cd web && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.ready
setup: $(READY) ## create the environment .venv; the other targets create it when it is missing
demo: $(READY) ## train on drawn faces, evaluate, write the report: about two minutes on two cores
	$(PY) -m ferlab.train experiment=demo name=demo outputs=outputs/demo
	$(PY) -m ferlab.evaluate "runs=$$(ls -td outputs/demo/demo* | head -1)" 'tta=[none,flip]' split=test outputs=outputs/demo
data: $(READY) ## read the raw data in data/ and report what it holds (DATA=fer2013)
	$(PY) -m ferlab.prepare data=$(or $(DATA),fer2013) $(ARGS)
train: $(READY) ## train the five-layer net on FER2013 (ARGS="seed=1 class_weights=balanced")
	$(PY) -m ferlab.train experiment=five_layer data=fer2013 $(ARGS)
table2: $(READY) ## reproduce the poster's Table 2: train what is missing, measure it once, write the table (ARGS="jobs=2 dry=true")
	$(PY) -m ferlab.reproduce paper=table2 $(ARGS)
paper: $(READY) ## reproduce the main rows of results/ from the raw data: small nets, members, distilled nets, two ensembles
	$(PY) -m ferlab.reproduce paper=readme $(ARGS)
results: $(READY) ## rewrite the tables of README.md, results/README.md and docs/ from results/
	$(PY) -m ferlab.publish tables=true $(ARGS)
pictures: $(READY) ## remake docs/pictures/ from results/, the models and drawn people; the pages' need Chromium and Node
	$(PY) -m tools.pictures $(ARGS)
export: $(READY) ## export a finished run as ONNX files in fp32, fp16 and int8 (RUN=outputs/NAME, ARGS="tta=flip")
	$(PY) -m ferlab.export 'runs=$(RUN)' $(ARGS)
ship: $(READY) ## export a finished run as the package's model five_layer, and measure that file on val (RUN=outputs/NAME)
	$(PY) -m ferlab.export 'runs=$(RUN)' precision=fp16 name=five_layer out=$(dir $(MODEL)) $(ARGS) && $(PY) -m ferlab.evaluate weights=five_layer
web: $(WEB_READY) ## build the web app with MODEL=FILE.onnx and serve it (PORT=8080; HOST=0.0.0.0 for other machines)
	$(BUILD) && npm run --silent serve
web-test: $(READY) $(WEB_READY) ## test the web app in headless Chromium with a simulated camera (needs chromium)
	$(BUILD) && cd .. && OMP_NUM_THREADS=1 $(PY) web/tests/fixtures.py web/node_modules/.fixtures $(MODEL)
	cd web && FIXTURES=$(abspath web/node_modules/.fixtures) npm run --silent test
test: $(READY) ## run the fast tests, which need only this checkout
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile -q $(ARGS)
test-slow: $(READY) ## run the slow tests, with real data where ../shared has it
	OMP_NUM_THREADS=2 $(PY) -m pytest -m slow --timeout=900 -q $(ARGS)
lint: $(READY) ## check style and common errors, changing nothing
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
types: $(READY) ## run mypy over the packages that pyproject.toml lists
	$(VENV)/bin/mypy
format: $(READY) ## fix the style
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .
check: lint types test ## run lint, types and test: every change must pass them
docs: $(READY) ## write the documentation into site/, which needs no network; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet
bench: $(READY) ## run the CPU benchmarks, one after another
	for b in read_csv open_store input_pipeline train_step lightning_step inference; do $(PY) -m benchmarks.$$b || exit; done
clean: ## remove the environment and the caches of tools; outputs/ and data/ stay
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .mypy_cache src/*.egg-info; find . -name __pycache__ -type d -not -path './data/*' -exec rm -rf {} +
