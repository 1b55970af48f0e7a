# `make` lists the targets. Everything lands in .venv, .tools and the kind cluster `holded`; nothing else is touched.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/.tools/uv/bin:$(PATH)

# Python 3.13: pyenv's newest where there is one (its shims may point elsewhere), else what uv finds.
PYENV_PYTHON := $(shell ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.13.*/bin/python3.13 2>/dev/null | sort -V | tail -1)
export UV_PYTHON := $(or $(PYENV_PYTHON),3.13)
MEMBERS := schemas operator services/collector services/worker services/sink cli
IMAGES := operator services/collector services/worker services/sink
RUN := .venv/bin
LOCAL := tests/testbed/local
EXPORT := uv export --quiet --frozen --format requirements-txt --no-header --no-annotate --no-emit-workspace

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

##@ Environment
.PHONY: init tools promtool flink-images maven lock generate
init: .venv/.current ## .venv from the committed, hash-pinned lock file, our packages editable

.venv/.current: requirements.lock requirements-uv.lock $(MEMBERS:%=%/pyproject.toml)
	@command -v uv >/dev/null && uv --version | grep -qF "$$(sed -nE 's/^uv==([0-9.]+).*/uv \1/p' requirements-uv.lock)" || { \
		echo "installing uv into .tools/uv"; \
		python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock; }
	@[ -x .venv/bin/python ] || uv venv --quiet .venv
	uv pip sync --quiet --python .venv --require-hashes requirements.lock
	uv pip install --quiet --python .venv --no-deps $(MEMBERS:%=--editable %)
	@touch $@

tools: ## Docker engine, kind, kubectl, helm and base images: what is missing
	@$(LOCAL) tools

promtool: ## Prometheus' promtool, which tries the chart's alerts
	@$(LOCAL) promtool

flink-images: tools ## the images of pipelines on Flink: what is missing
	@$(LOCAL) flink_images

maven: ## Maven, which fetches what tests validate against
	@$(LOCAL) maven

lock: ## write all lock files anew (hashes, no hosts); UPGRADE=--upgrade takes newer versions
	uv lock --quiet $(UPGRADE)
	$(EXPORT) --all-packages --all-groups --output-file requirements.lock
	@for member in $(IMAGES); do \
		$(EXPORT) --no-dev --package "holded-$$(basename $$member)" --output-file $$member/requirements.lock || exit 1; done
	$(EXPORT) --only-group compile --package holded-worker --output-file services/worker/compile.lock

generate: init ## custom resource definition, its copy in the chart, its reference page
	@mkdir -p charts/holded-pipeline/files/crds docs/reference
	$(RUN)/python -m holded_operator.crd crds
	@cp crds/*.yaml charts/holded-pipeline/files/crds/
	$(RUN)/python -m holded_cli.crd_reference crds/holdedpipelines.holded.dev.yaml > docs/reference/holdedpipeline.md

##@ A running pipeline
.PHONY: demo cluster images deploy send status logs clean
demo: init ## from nothing to rows in MySQL, on kind; can be repeated
	@$(LOCAL) demo

cluster: tools ## the kind cluster
	@$(LOCAL) cluster

images: cluster ## build the four images and load them into the cluster
	@$(LOCAL) images

deploy: images ## install or upgrade both charts in the cluster
	@$(LOCAL) deploy

send: init ## post tests/data/events.json once more and report
	@$(LOCAL) send

status: init ## pipelines, pods and what is in MySQL
	@$(LOCAL) status

logs: ## follow the logs of the demo pipeline
	@$(LOCAL) logs

clean: ## delete the kind cluster
	@$(LOCAL) clean

##@ Checks
.PHONY: test lint format unit integration e2e
test: lint unit integration e2e ## everything below

lint: init tools generate ## formatting, linters, types, import rules, charts, generated files
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy $(MEMBERS:%=%/src) tests
	$(RUN)/lint-imports
	$(RUN)/yamllint --strict .
	helm lint --strict --kube-version 1.34.0 charts/holded-dev charts/holded-pipeline
	git diff --exit-code -- crds charts/holded-pipeline/files docs/reference

format: init ## format and fix what can be fixed
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

unit: init tools promtool ## tests without containers (helm renders the charts, promtool tries their alerts)
	$(RUN)/pytest tests/unit --numprocesses 2

integration: init tools flink-images maven ## tests with real Kafka, registry, MySQL and Flink in containers, one set for each of two processes
	$(RUN)/pytest tests/integration --numprocesses 2 --dist loadfile --durations 20

e2e: init tools ## tests on a kind cluster of their own
	$(RUN)/pytest tests/e2e --durations 20

##@ Faults: programs that make a cluster of their own, print a table and write it to docs/bench
.PHONY: chaos chaos-operator soak
chaos: init tools ## faults under load, each with all data oracles; SCENARIOS="worker-killed node-drained" runs some
	$(RUN)/python -m tests.chaos.run $(SCENARIOS)

chaos-operator: init tools ## the operator killed, cut off and misled at every step, on a kind cluster of its own; prints the matrix of oracles
	$(RUN)/python -m tests.chaos.operator

soak: init tools ## the whole pipeline for MINUTES=30 at RATE=500 events/s
	$(RUN)/python -m tests.bench.soak --minutes $(or $(MINUTES),30) --rate $(or $(RATE),500)

##@ Benchmarks: programs that print figures, and write table and plot to docs/bench
.PHONY: bench bench-collector bench-servers bench-worker bench-worker-memory bench-sink bench-latency bench-operator bench-flink
bench: bench-collector bench-servers bench-worker bench-sink bench-operator ## all of them, one after another

bench-collector: init tools ## the collector against a bare producer
	$(RUN)/python -m tests.bench.collector

bench-servers: init tools ## the collector on uvicorn against the same application on granian
	$(RUN)/python -m tests.bench.servers

bench-worker: init tools ## the worker against the same functions in a plain loop
	$(RUN)/python -m tests.bench.worker

bench-flink: init tools flink-images ## the worker on Flink against embedded workers
	$(RUN)/python -m tests.bench.flink

bench-worker-memory: init tools ## what the worker's memory does over 30 minutes
	$(RUN)/python -m tests.bench.worker_memory

bench-sink: init tools ## the sink against bare multi-row INSERT, into a table of up to ROWS=1000000
	$(RUN)/python -m tests.bench.sink --rows $(or $(ROWS),1000000)

bench-latency: init tools ## from the 202 to a SELECT at 300 events/s, on a kind cluster of its own
	$(RUN)/python -m tests.bench.latency

bench-operator: init tools ## the operator with 500 pipelines on a kind cluster of its own
	$(RUN)/python -m tests.bench.many_pipelines
