# The commands of daily work. Another interpreter: make test PYTHON=.venv/bin/python

PYTHON ?= python
export TOKENIZERS_PARALLELISM = false

.PHONY: run models test test-slow test-all lint

run: models              ## the demo: its models, then the four steps
	$(PYTHON) main.py all yamls/demo.yaml

models:                  ## the demo's models; nothing to do where they are made already
	$(PYTHON) -m demo.make_models --out output/demo-models

# Two processes of one thread each: on two cores faster than one process of two threads.
test:                    ## all tests but the long ones
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m "not slow" -n 2

test-slow:               ## the long ones alone
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -m slow -n 2

test-all: test test-slow ## all tests

lint:                    ## style, formatting, types
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
