# What ferlab is asked to do, in one word each. `make help` lists them.
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo train table2 paper web web-test test test-slow lint format check data bench results export ship clean

# The poster's Table 2. A rehearsal on drawn faces: make table2 TABLE2_MODELS="baseline five_layer" TABLE2_DATA=drawn
# TABLE2_OUT=outputs/rehearsal TABLE2_LEDGER=outputs/rehearsal/ledger.jsonl TABLE2_INTO= TABLE2_ARGS=trainer.max_epochs=1
TABLE2_MODELS ?= vgg16 resnet50 senet50
TABLE2_DATA ?= fer2013 fer2013+aux
TABLE2_WEIGHTS ?= none balanced
TABLE2_SEEDS ?= 0
# class_weights or data, as the poster has it: what the rows are, and the members of an ensemble have in common
TABLE2_ROWS ?= data
# trained first, in the same outputs: what the recipes start from, and the runs that teach them, as RECIPE:SEEDS
TABLE2_BACKBONES ?= $(patsubst conf/experiment/%.yaml,%,$(wildcard $(TABLE2_MODELS:%=conf/experiment/%_start.yaml)))
TEACHERS := resnet18:0,1,2 vgg16_bn:0
TABLE2_TEACHERS ?= $(if $(TABLE2_BACKBONES),$(if $(TEACHER),,$(TEACHERS)))
# a teacher's kept answers in their place, as TEACHER=results/ensemble-teachers/answers.npz, and the views it had
TEACHER ?=
TEACHER_TTA ?= frozen
# PrivateTest is asked for the single view and for what results/tta_choice.json says alone.
TABLE2_VIEWS ?= none flip views12
TABLE2_TEST_VIEWS ?= none views12
TABLE2_OUT ?= outputs/table2
TABLE2_LEDGER ?= outputs/ledger.jsonl
TABLE2_INTO ?= results/README.md
# further overrides of all trainings and of all evaluations
TABLE2_ARGS ?=
TABLE2_EVALUATE ?=
# What `make paper` trains beside it, in the same outputs: plain, with class weights, and taught by an ensemble of all these.
# README's table has these, the cells of PAPER_CELLS, and the best ensemble.
PAPER_RECIPES ?= baseline five_layer resnet18
PAPER_WEIGHTED ?= five_layer
PAPER_WEIGHTS ?= balanced effective
PAPER_STUDENTS ?= five_layer_taught resnet18_taught
PAPER_CELLS ?= vgg16
PAPER_SEEDS ?= 0,1,2
PAPER_INTO ?= README.md

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

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

comma := ,
space := $(subst ,, )
commas = $(subst $(space),$(comma),$(strip $(1)))
# jobs of recipes $(1) on data $(2) with seeds $(3)
train = $(PY) -m ferlab.train -m experiment=$(call commas,$(1)) data=$(call commas,$(2)) seed=$(call commas,$(3)) \
	skip_finished=true ckpt=last outputs=$(TABLE2_OUT) $(TABLE2_ARGS)
# runs of data $(1), weights $(2) and seed $(3); the star finds NAME-2, which was trained where NAME had failed
cells = $(foreach d,$(1),$(foreach w,$(2),$(foreach m,$(TABLE2_MODELS),$(TABLE2_OUT)/$m-$d-$w-s$(3)*)))
by_data = $(filter data,$(TABLE2_ROWS))
row = $(if $(by_data),$(call cells,$(1),$(TABLE2_WEIGHTS),$(2)),$(call cells,$(TABLE2_DATA),$(1),$(2)))
evaluate = $(PY) -m ferlab.evaluate 'runs=[$(call commas,$(1))]' split=$(2) 'tta=[$(call commas,$(3))]' \
	skip_measured=true outputs=$(TABLE2_OUT) ledger=$(TABLE2_LEDGER) $(TABLE2_EVALUATE)
# every run and then the ensemble of each row, on split $(1) in views $(2)
measure = try "runs on $(1)" $(call evaluate,$(call cells,$(TABLE2_DATA),$(TABLE2_WEIGHTS)),$(1),$(2)) each=true; \
	$(foreach r,$(if $(by_data),$(TABLE2_DATA),$(TABLE2_WEIGHTS)), \
	try "ensemble-$r on $(1)" $(call evaluate,$(call row,$r,$(firstword $(TABLE2_SEEDS))),$(1),$(2)) name=ensemble-$r;)
taught = $(if $(TEACHER),teacher=$(TEACHER) teacher_tta=$(TEACHER_TTA))
paper_data = $(firstword $(TABLE2_DATA))
paper_names = $(foreach r,$(PAPER_RECIPES) $(PAPER_STUDENTS),$r-$(paper_data)-none-s*) \
	$(foreach r,$(PAPER_WEIGHTED),$(foreach w,$(PAPER_WEIGHTS),$r-$(paper_data)-$w-s*))
paper_runs = $(paper_names:%=$(TABLE2_OUT)/%)
paper_cells = $(foreach m,$(filter $(TABLE2_MODELS),$(PAPER_CELLS)),$m-$(paper_data)-*)
# an ensemble stays with what it was first chosen from
choose = { test -d $(TABLE2_OUT)/ensembles/$(1) || try "choice of $(1)" $(PY) -m ferlab.ensemble 'runs=$(TABLE2_OUT)/*' \
	name=$(1) $(2) outputs=$(TABLE2_OUT) $(TABLE2_EVALUATE); }
# a job that fails does not stop the others, and is told at the end
tries = failed=; try() { what=$$1; shift; echo "$@: $$what"; "$$@" || { failed="$$failed, $$what"; return 1; }; };
tried = test -z "$$failed" || { echo "$@: failed, as said above: $${failed\#, }; make $@ again does the rest" >&2; exit 1; }
grid_runs = $(TABLE2_MODELS:%=$(TABLE2_OUT)/%-*) $(TABLE2_OUT)/ensembles/ensemble-*
grid = layout=table2 split=test tta=$(lastword $(TABLE2_TEST_VIEWS)) 'table2.models=[$(call commas,$(TABLE2_MODELS))]' \
	'table2.data=[$(call commas,$(TABLE2_DATA))]' 'table2.class_weights=[$(call commas,$(TABLE2_WEIGHTS))]' \
	table2.rows=$(TABLE2_ROWS)

table2: $(READY) ## the poster's Table 2: train what is missing, measure it once, write the grid (variables at the top)
	@$(tries) \
	$(foreach t,$(TABLE2_TEACHERS),try "teachers $t" \
		$(call train,$(firstword $(subst :, ,$t)),$(firstword $(TABLE2_DATA)),$(lastword $(subst :, ,$t))) &&) \
	$(if $(TABLE2_BACKBONES),try backbones $(call train,$(TABLE2_BACKBONES),$(firstword $(TABLE2_DATA)),0) $(taught) &&) \
	try training $(call train,$(TABLE2_MODELS),$(TABLE2_DATA),$(TABLE2_SEEDS)) $(taught) \
		class_weights=$(call commas,$(TABLE2_WEIGHTS)); \
	$(call measure,val,$(TABLE2_VIEWS)) $(call measure,test,$(TABLE2_TEST_VIEWS)) \
	try grid $(PY) -m ferlab.compare 'runs=[$(call commas,$(grid_runs))]' $(grid) out=$(TABLE2_OUT)/table2.md \
		$(if $(TABLE2_INTO),into=$(TABLE2_INTO) name=table2); \
	$(tried)

paper: table2 ## README's table from nothing: Table 2, then what PAPER_RECIPES and PAPER_STUDENTS name, then the best ensemble
	@$(tries) \
	try plain $(call train,$(PAPER_RECIPES),$(paper_data),$(PAPER_SEEDS)); \
	$(if $(PAPER_WEIGHTED),try weighted $(call train,$(PAPER_WEIGHTED),$(paper_data),$(PAPER_SEEDS)) \
		class_weights=$(call commas,$(PAPER_WEIGHTS));) \
	$(if $(TEACHER),,$(call choose,teachers,tta=flip tta_space=probability) &&) \
	try students $(call train,$(PAPER_STUDENTS),$(paper_data),$(PAPER_SEEDS)) \
		$(or $(taught),teacher=$(TABLE2_OUT)/ensembles/teachers teacher_tta=frozen); \
	try "runs on val" $(call evaluate,$(paper_runs),val,$(TABLE2_VIEWS)) each=true; \
	try "runs on test" $(call evaluate,$(paper_runs),test,$(TABLE2_TEST_VIEWS)) each=true; \
	$(call choose,best,'tta=[flip$(comma)views12]') && for split in val test; do \
		try "best on $$split" $(PY) -m ferlab.evaluate runs=$(TABLE2_OUT)/ensembles/best split=$$split skip_measured=true \
			outputs=$(TABLE2_OUT) ledger=$(TABLE2_LEDGER) $(TABLE2_EVALUATE); done; \
	try table $(PY) -m ferlab.compare \
		'runs=[$(call commas,$(paper_runs) $(paper_cells:%=$(TABLE2_OUT)/%) $(TABLE2_OUT)/ensembles/best)]' split=test tta=none \
		out=$(TABLE2_OUT)/paper.md $(if $(PAPER_INTO),into=$(PAPER_INTO) name=fer2013); \
	$(tried)

export: $(READY) ## a finished run as ONNX files in fp32, fp16 and int8 (RUN=outputs/NAME, ARGS="tta=flip")
	$(PY) -m ferlab.export 'runs=$(or $(RUN),$(error type make $@ RUN=outputs/NAME))' $(ARGS)

ship: $(READY) ## put a finished run into the package as its model five_layer, and measure that file on val (RUN=outputs/NAME)
	$(PY) -m ferlab.export 'runs=$(or $(RUN),$(error type make $@ RUN=outputs/NAME))' precision=fp16 name=five_layer \
		out=src/ferlab/models $(ARGS)
	$(PY) -m ferlab.evaluate weights=five_layer

# The exported model that the web app is built with, the port it is served at, and who may reach it (HOST=0.0.0.0: all).
MODEL ?= src/ferlab/models/five_layer.onnx
PORT ?= 8080
HOST ?= 127.0.0.1
WEB_READY := web/node_modules/.ready
WEB_FIXTURES := web/node_modules/.fixtures

$(WEB_READY): web/package.json
	@command -v npm >/dev/null || { echo "web: needs Node 20.19 or newer with npm" >&2; exit 1; }
	cd web && npm install --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

web/dist: $(WEB_READY) FORCE
	@test -f $(MODEL) -a -f $(MODEL:.onnx=.json) || { echo "web: there is no $(MODEL) with its .json; export a run with" \
		"python -m ferlab.export runs=outputs/NAME precision=[fp16] and type make $(firstword $(MAKECMDGOALS)) MODEL=FILE.onnx" >&2; exit 1; }
	cd web && MODEL=$(abspath $(MODEL)) npm run --silent build

web: web/dist ## the web app: build it with MODEL=FILE.onnx and serve it (PORT=8080)
	cd web && PORT=$(PORT) HOST=$(HOST) npm run --silent serve

web-test: $(READY) web/dist ## the web app in headless Chromium, with a made camera (needs chromium)
	OMP_NUM_THREADS=1 $(PY) web/tests/fixtures.py $(WEB_FIXTURES) $(MODEL)
	cd web && FIXTURES=$(abspath $(WEB_FIXTURES)) npm run --silent test

FORCE:

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
	for b in read_csv open_store input_pipeline train_step lightning_step inference; do $(PY) -m benchmarks.$$b; done

# rows of README's table, as `make paper` has them
README_RUNS = $(paper_names) $(paper_cells) ensemble-best
GRID_REPORTS = $(TABLE2_MODELS:%=results/%-*/*/report.json) $(TABLE2_DATA:%=results/ensemble-%/*/report.json)

results: $(READY) ## write the tables of README.md and results/README.md anew from results/
	$(PY) -m ferlab.compare 'reports=results/*/*/report.json' split=test tta=none into=results/README.md name=single
	$(PY) -m ferlab.compare 'reports=results/*/*/report.json' split=test tta=views12 into=results/README.md name=views12
	$(PY) -m ferlab.compare 'reports=[$(call commas,$(foreach r,$(README_RUNS),$(wildcard results/$r/*-none/report.json results/$r/*-views12*/report.json)))]' \
		split=test tta=none into=README.md name=fer2013
	$(if $(wildcard $(GRID_REPORTS)),$(PY) -m ferlab.compare \
		'reports=[$(call commas,$(GRID_REPORTS))]' $(grid) into=results/README.md name=table2)

clean: ## remove the environment and what tools left; outputs/ and data/ stay
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache src/*.egg-info
	find . -name __pycache__ -type d -not -path './data/*' -exec rm -rf {} +
