.DEFAULT_GOAL := help
# Compiled bytecode halves the time that every start of TensorFlow takes.
unexport PYTHONDONTWRITEBYTECODE
# make setup PYTHON=/path/to/python3.11
export PYTHON

BIN := .venv/bin
UV := .build/bootstrap/bin/uv
COMPILE := $(UV) pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --python-platform x86_64-manylinux_2_40 \
	--custom-compile-command 'make lock'

# What the container image has: all but the development packages, in the versions of requirements.lock.
RUNTIME := sed '/^\# Development/,$$d' requirements.in

.PHONY: help setup demo test test-all bench bench-models bench-speed bench-serving bench-tuning bench-tflite bench-scale bench-engines test-reliability reliability-full fuzz soak audit release flink-up flink-down lint lock clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Install everything inside the clone (quick when nothing changed)
	@bash scripts/setup.sh

demo: setup  ## Run a pipeline on real digits, serve the model, ask it
	@$(BIN)/python scripts/demo.py

test: lint  ## Lint, types and the tests that fit in ten minutes
	$(BIN)/pytest -m 'not slow'

test-all: lint  ## All tests
	$(BIN)/pytest

test-reliability: setup  ## Faults injected on purpose, in counts that fit in a quarter of an hour
	$(BIN)/python -m reliability

reliability-full: setup  ## The same in full counts (hours)
	$(BIN)/python -m reliability --full --write docs/reliability.md

fuzz: setup  ## Requests meant to break the server, for two minutes (make fuzz SECONDS=600 for ten)
	$(BIN)/python -m reliability.fuzz --seconds $(or $(SECONDS),120)

soak: setup  ## The server under load: stops, and memory over many requests and versions (two minutes)
	$(BIN)/python -m reliability service

audit: setup  ## Known vulnerabilities of what the lock files name; says so if nobody could be asked, and fails
	@$(BIN)/python scripts/audit.py

release: setup  ## Wheel, source archive, bill of materials and checksums into dist/; uploads nothing
	@$(BIN)/python scripts/audit.py || { [ $$? = 3 ] && echo "release: not audited for known vulnerabilities"; }
	@$(BIN)/python scripts/release.py

bench: setup  ## The speed table (median of 5)
	$(BIN)/python -m benchmarks.bench --write docs/benchmarks.md

bench-models: setup  ## Every model on its full data against its reference (hours; resumes)
	$(BIN)/python -m benchmarks.models --write docs/models.md

bench-speed: setup  ## How fast models learn, beside gensim, MiniSom, scikit-learn, Gymnasium
	$(BIN)/python -m benchmarks.speed --write docs/training_speed.md

bench-serving: setup  ## The local server beside KServe's and MLServer's (a quarter of an hour)
	$(BIN)/python -m benchmarks.serving --write docs/serving_speed.md

bench-tuning: setup  ## What a search gains over the defaults (about an hour; resumes)
	$(BIN)/python -m benchmarks.tuning --write docs/tuning.md

bench-tflite: setup  ## TFLite of every model: formats, operations, sizes, latencies (half an hour; resumes)
	$(BIN)/python -m benchmarks.tflite --write docs/tflite.md

bench-scale: setup  ## Training over devices and processes, XLA, and how the cost of a run grows with its data (half an hour)
	$(BIN)/python -m benchmarks.scaling --write docs/scaling.md

bench-engines: setup  ## A run's data work on Flink beside Beam's own runners (a quarter of an hour)
	$(BIN)/python -m benchmarks.engines --write docs/engine_speed.md

flink-up: setup  ## A Flink cluster on this machine, for --beam flink
	@$(BIN)/darsena flink up

flink-down: setup  ## End it
	@$(BIN)/darsena flink down

lint: setup  ## Ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: setup  ## Resolve requirements*.in into the lock files
	$(COMPILE) requirements.in --output-file requirements.lock
	$(COMPILE) requirements-bootstrap.in --output-file requirements-bootstrap.lock
	$(RUNTIME) | $(COMPILE) --constraint requirements.lock - --output-file kubeflow/requirements-cpu.lock
	($(RUNTIME); echo 'tensorflow[and-cuda]') | $(COMPILE) --constraint requirements.lock - --output-file kubeflow/requirements-gpu.lock
	$(COMPILE) pipelines/common/tfjs/runtime/converter.in --output-file pipelines/common/tfjs/runtime/converter.lock
	$(COMPILE) benchmarks/serving/peers/kserve.in --output-file benchmarks/serving/peers/kserve.lock
	$(COMPILE) benchmarks/serving/peers/mlserver.in --output-file benchmarks/serving/peers/mlserver.lock

clean:  ## Remove caches and what runs left; keeps the installed environment
	rm -rf darsena_root .pytest_cache .ruff_cache .mypy_cache
	find . -path ./.venv -prune -o -path ./.build -prune -o -name __pycache__ -type d -exec rm -rf {} +
