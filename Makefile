# Two commands do all the set-up: `make run` and `make test`. Each makes .venv where it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint benchmarks audit clean

run: .venv/installed
	$(BIN)/evalkit run protocol=tps baseline=xfactor,rayzer,rust oracle=alignment dataset.world=orbits dataset.version=1 protocol.resolution=32 limit=24

test: .venv/installed lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: .venv/installed
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only -s

# Long checks whose tables the docs quote; `make audit PART="coverage false_positives"` runs some of them.
audit: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.audit $(PART)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf .venv
