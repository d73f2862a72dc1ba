# burstlens: what a newcomer and CI run. Everything is installed into .venv from the pinned, hashed lock in requirements/.
.DEFAULT_GOAL := help
.PHONY: help demo test test-openstack test-vm lint bench bench-policies lab-aws lab-openstack lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The converted model is cached inside the checkout: nothing outside this folder is written.
export BURSTLENS_CACHE ?= $(CURDIR)/.cache

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## recognise 100 real images on this machine, from zero instances to zero instances
	@$(BIN)/burstlens demo

test: $(VENV)/.dev $(VENV)/.pictures ## run every test
	@$(BIN)/pytest $(ARGS)

test-openstack: $(VENV)/.dev ## run what needs a real OpenStack, on one that is started for it: root on Debian, some minutes
	@BURSTLENS_TEST_OPENSTACK=1 $(BIN)/pytest -k openstack tests/openstack tests/contracts/test_cloud.py \
		tests/acceptance/test_docs.py $(ARGS)

test-vm: $(VENV)/.dev ## the same with guests that really boot, without KVM: a quarter of an hour
	@BURSTLENS_TEST_VM=1 BURSTLENS_TEST_OPENSTACK=1 $(BIN)/pytest tests/openstack/test_guest.py \
		tests/openstack/test_baked_image.py $(ARGS)

lint: $(VENV)/.dev ## check style, types and the lock
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## measure, as ratios within one run
	@$(BIN)/python bench/pipeline.py
	@$(BIN)/python bench/queue_rate.py
	@$(BIN)/python bench/recognition.py
	@$(BIN)/python bench/sqs_call.py
	@$(BIN)/python bench/simulator.py

bench-policies: $(VENV)/.dev ## scaling policies against those of peers and a lower bound, in the simulator: an hour
	@$(BIN)/python bench/policies.py $(ARGS)

lab-aws: $(VENV)/.dev ## AWS on this machine, to try a deployment on: its instances are processes here
	@$(BIN)/python -m lab.aws

lab-openstack: $(VENV)/.dev ## OpenStack on this machine: root on Debian; ends with: python -m lab.openstack stop
	@$(BIN)/python -m lab.openstack start

lock: $(VENV)/.dev ## write requirements/*.txt anew from pyproject.toml (no index address in them)
	@for extra in demo dev; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
			$$([ $$extra = dev ] && echo "--extra dev") pyproject.toml requirements/build.in -o requirements/$$extra.txt; \
	done
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		lab/openstack/requirements.in -o lab/openstack/requirements.txt

clean: ## remove what the other targets made
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/out dist
	find src tests bench lab -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "burstlens needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv is missing here; as root: apt-get install -y python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "installing burstlens into $(VENV) ($*)"
	@$(BIN)/pip install --quiet --require-hashes -r $<
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Faces to test with: pictures that only the source distribution holds, so it is kept and not installed.
$(VENV)/.pictures: requirements/pictures.txt | $(VENV)/.dev
	@$(BIN)/pip download --quiet --no-deps --no-binary face_recognition --no-build-isolation --require-hashes \
		-r $< -d $(VENV)/share/pictures
	@touch $@
