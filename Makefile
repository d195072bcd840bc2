# make search   install if needed, then find a loss for scikit-learn's digits, half of whose labels are wrong
# make test     install if needed, then run every test
# make dashboard, make report    look at a search: RUN=runs/NAME
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
ARGS   ?=
JOBS   ?= 2
BENCHES ?= loss_step throughput trainer_overhead recorder trainability scaling sampler screens glo_search noise long_tails metrics transfer claims
RUN    ?= runs/digits_noisy_drive

.PHONY: install search test lint bench dashboard report notebooks docs dist clean

install: $(VENV)/.dev

# torch and torchvision come from one place in one command: builds of two kinds do not fit together.
# For a CPU-only or a particular CUDA build, point pip at its index: PIP_INDEX_URL=... make install
$(VENV)/.core: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "torch>=2.11" "torchvision>=0.26"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# what tests, notebooks, dashboard and development need besides
$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

search: $(VENV)/.core
	$(BIN)/python -m glo_lightning.search --config configs/digits_noisy_drive.yaml $(ARGS)

test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist=loadfile $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	for name in $(BENCHES); do $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

dashboard: install
	$(BIN)/python -m glo_lightning.dashboard $(RUN) $(ARGS)

report: install
	$(BIN)/python -m glo_lightning.report $(RUN) $(ARGS)

notebooks: install
	$(BIN)/python -m pytest tests/test_notebooks.py $(ARGS)

# API pages from the docstrings, in build/docs
docs: install
	$(BIN)/python .ci/docs.py build/docs

# a wheel and a source distribution, in dist
dist: install
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
