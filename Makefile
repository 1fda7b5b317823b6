# `make demo` and `make test` need Python 3.10 to 3.13 with venv, and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet

.PHONY: demo test lint clean

demo: $(VENV)/demo.stamp
	@mkdir -p out
	$(BIN)/python demos/webcam.py --source sample --frames 240 --every-frame --effect blur \
		--sink out/demo.mp4 --picture out/demo.png --stats out/stats.json

test: $(VENV)/test.stamp lint
	$(BIN)/python -m pytest

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) out

$(VENV)/python.stamp:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What the demo needs: the base package and scikit-image's photograph, no tensorflow.
$(VENV)/demo.stamp: $(VENV)/python.stamp pyproject.toml
	@echo "installing what the demo needs into $(VENV)"
	$(PIP) -e ".[sample]"
	@touch $@

$(VENV)/test.stamp: $(VENV)/python.stamp pyproject.toml
	@echo "installing what the tests need into $(VENV): TensorFlow is large, this takes minutes"
	$(PIP) -e ".[dev]"
	@touch $@
