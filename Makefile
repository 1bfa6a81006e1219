# Entrega's chores. `make` alone prints this help.
.DEFAULT_GOAL := help
SHELL := /bin/bash -eu -o pipefail

# Dependencies are compiled once, into a cache outside the checkout; what the tests install lies beside it.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/entrega/target
CACHE := $(patsubst %/,%,$(dir $(CARGO_TARGET_DIR)))
VENV := $(CACHE)/parity-venv
NOTEBOOKS_VENV := $(CACHE)/notebooks-venv
FAULTS_VENV := $(CACHE)/faults-venv
DEPLOY_VENV := $(CACHE)/deploy-venv
AIRFLOW_VENV := $(CACHE)/airflow-venv
WHEEL_VENV := $(CACHE)/wheel-venv
SERVICES_BIN := $(CACHE)/services/venv/bin
SERVICES := python3 services/services.py
ENTREGA := $(CARGO_TARGET_DIR)/release/entrega
DEMO_LAKE ?= demo-lake
OLIST_ZIP ?=

.PHONY: help build demo services services-stop test check test-rust test-parity test-services test-s3 test-spark test-notebooks test-real test-deploy test-python test-airflow wheel docs clean

help: ## Print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## Build the entrega binary (release)
	cargo build --release -p entrega-cli

demo: ## Build, fill a lake from a simulated shop (or OLIST_ZIP=path) and make the report
	@test -z "$(OLIST_ZIP)" -o -f "$(OLIST_ZIP)" || { echo "OLIST_ZIP=$(OLIST_ZIP) is not there"; exit 1; }
	$(MAKE) build
	@if [ -n "$(OLIST_ZIP)" ]; then set -x; $(ENTREGA) replay --source "$(OLIST_ZIP)" --lake $(DEMO_LAKE) --as one-drop; \
	else set -x; $(ENTREGA) simulate --lake $(DEMO_LAKE); fi
	$(ENTREGA) run all --lake $(DEMO_LAKE)
	$(ENTREGA) report --lake $(DEMO_LAKE) --out $(DEMO_LAKE)-report.html
	@echo "Open $(DEMO_LAKE)-report.html in a browser."

services: ## Install and start real servers (S3, Hive Metastore, Spark Connect, JDBC), print how to reach them
	@$(SERVICES) start
	@$(SERVICES) env

services-stop: ## Stop them; what they hold stays for the next start
	@$(SERVICES) stop

test: check test-rust test-parity test-services test-s3 test-spark test-notebooks test-real test-deploy ## Run everything that CI runs

check: ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

test-rust: ## Unit, property, example and story tests
	cargo test --release --workspace

test-parity: $(VENV)/ready build ## The same models in real Spark: examples, and a lake of the fixture shop row by row
	@if ! command -v java >/dev/null; then echo "SKIPPED: the Spark parity tests need Java 17 or newer"; exit 0; fi; \
	lake=$$(mktemp -d); trap 'rm -rf "$$lake"' EXIT; \
	$(ENTREGA) replay --source tests/fixtures/shop --lake $$lake/lake --cadence daily; \
	$(ENTREGA) run all --lake $$lake/lake; \
	ENTREGA_LAKE=$$lake/lake $(VENV)/bin/python -m pytest -q tests/parity

$(VENV)/ready: tests/parity/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r tests/parity/requirements.txt
	touch $@

test-services: ## The real servers work together, and nothing of them stays behind
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then \
	  echo "SKIPPED: the tests with real servers need Java 17 or newer and Maven"; exit 0; fi; \
	$(SERVICES) install; \
	$(SERVICES_BIN)/python -m pytest -q services/selftest.py

test-s3: $(FAULTS_VENV)/ready build ## Lakes in a bucket: a real S3 server, the AWS CLI beside, and a proxy that makes requests fail
	@$(SERVICES) install s3; \
	export ENTREGA=$(ENTREGA) AWS_CLI=$(SERVICES_BIN)/aws MITMDUMP=$(FAULTS_VENV)/bin/mitmdump; \
	$(SERVICES_BIN)/python -m pytest -q -s tests/s3

test-spark: build ## Batches on real Spark, in a folder and a bucket, with a real metastore; parity with the embedded engine
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then \
	  echo "SKIPPED: the tests of the Spark engine need Java 17 or newer and Maven"; exit 0; fi; \
	$(SERVICES) install; \
	export ENTREGA=$(ENTREGA); $(SERVICES_BIN)/python -m pytest -q --durations=0 -n 2 tests/spark

$(FAULTS_VENV)/ready: tests/s3/requirements.txt
	python3 -m venv $(FAULTS_VENV)
	$(FAULTS_VENV)/bin/python -m pip install --quiet -r tests/s3/requirements.txt
	touch $@

test-notebooks: $(NOTEBOOKS_VENV)/ready build ## Both notebooks and the guide's example, on a small simulated shop
	@lake=$$(mktemp -d); trap 'rm -rf "$$lake"' EXIT; \
	$(ENTREGA) simulate --lake $$lake/lake --orders 12000 --from 2017-01-01 --to 2018-06-30; \
	$(ENTREGA) run all --lake $$lake/lake; \
	$(NOTEBOOKS_VENV)/bin/python notebooks/execute.py --lake $$lake/lake --entrega $(ENTREGA) --out $$lake/executed \
	  --train-until 2018-03-01 --test-until 2018-06-01 --seeds 1; \
	$(ENTREGA) features export --lake $$lake/lake --table at_purchase --out $$lake/training \
	  --train-until 2018-03-01 --test-until 2018-06-01; \
	$(NOTEBOOKS_VENV)/bin/python notebooks/run_guide.py docs/guides/features.md $$lake

$(NOTEBOOKS_VENV)/ready: notebooks/requirements.txt
	python3 -m venv $(NOTEBOOKS_VENV)
	$(NOTEBOOKS_VENV)/bin/python -m pip install --quiet -r notebooks/requirements.txt
	touch $@

test-real: build ## The real data set, when OLIST_ZIP points at it
	@if [ -z "$(OLIST_ZIP)" ]; then echo "SKIPPED: the real-data suite (set OLIST_ZIP=path/to/brazilian-ecommerce.zip)"; exit 0; fi; \
	export ENTREGA=$(ENTREGA) OLIST_ZIP="$(OLIST_ZIP)"; tests/real/run.sh; python3 tests/real/point_in_time.py --days 3

test-deploy: $(DEPLOY_VENV)/ready ## Templates, images and scripts of deploy/: lints, and that they agree with services/
	deploy/lint/run.sh $(DEPLOY_VENV)/bin
	$(DEPLOY_VENV)/bin/python -m pytest -q deploy/lint

$(DEPLOY_VENV)/ready: deploy/lint/requirements.txt
	python3 -m venv $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/python -m pip install --quiet -r deploy/lint/requirements.txt
	touch $@

test-python: $(AIRFLOW_VENV)/ready build ## The Python package: every function and form against the program, the guides' examples
	export ENTREGA=$(ENTREGA); $(AIRFLOW_VENV)/bin/python -m pytest -q python/tests

test-airflow: $(AIRFLOW_VENV)/ready build ## The plan's DAGs in a real Airflow: same rows as without it; late shipments, out of and into a bucket
	@$(SERVICES) install s3; \
	export ENTREGA=$(ENTREGA); $(AIRFLOW_VENV)/bin/python -m pytest -q --durations=0 airflow/tests

$(AIRFLOW_VENV)/ready: airflow/tests/requirements.txt
	python3 -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/python -m pip install --quiet -r airflow/tests/requirements.txt
	$(AIRFLOW_VENV)/bin/python -m pip check
	touch $@

wheel: $(WHEEL_VENV)/ready ## The Python package with the program in it, into CARGO_TARGET_DIR/wheels
	cd python && $(WHEEL_VENV)/bin/maturin build --release --locked --out $(CARGO_TARGET_DIR)/wheels

$(WHEEL_VENV)/ready: python/requirements.txt
	python3 -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet -r python/requirements.txt
	touch $@

docs: build ## Generate the reference pages
	$(ENTREGA) tables --diagram > docs/reference/tables.md

clean: ## Remove the demo lake and its report
	rm -rf $(DEMO_LAKE) $(DEMO_LAKE)-report.html late_to_carrier_*.csv
