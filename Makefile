# Every target sets up what it needs by itself, in .venv. With an environment of your own: make test PY=python
.DEFAULT_GOAL := help
.PHONY: help report test check zoo lab bench torture corpus capture clean

CASE ?= data/cases/jobs-complete
# Re-enacting runs an application's code, so for a case of your own it is asked for: make report CASE=… PROVE=--prove
PROVE ?= $(if $(filter data/cases/jobs-complete,$(CASE)),--prove)

ifeq ($(origin PY), undefined)
PY := .venv/bin/python
BASE := .venv/.base
TEST := .venv/.test
LAB := .venv/.lab
BENCH := .venv/.bench
endif

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

report: $(BASE) ## the main job on CASE=data/cases/jobs-complete; ends with the path of the HTML report
	@$(PY) -m analysis report $(CASE) $(PROVE)

test: $(TEST) ## all tests, a process a core
	@$(PY) -m pytest -n auto --dist loadfile

check: $(TEST) ## format, lint, types, stripped notebooks, what no tracked file may name
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) -m pytest tests/test_tree.py tests/test_notebooks.py

lab: $(LAB) ## JupyterLab on copies of the notebooks
	@$(PY) -m analysis lab $(CASE)

bench: $(BENCH) ## speed, each figure beside its rival in the same run
	@$(PY) -m tests.benchmarks

torture: $(TEST) ## every fault in full, hours; goes on where it stopped (ARGS='--minutes 30 --only zip --fresh')
	@$(PY) -m tests.torture $(ARGS)

corpus: $(TEST) ## how real logs in ../shared/corpus are read, against Filebeat; fails below 97 % (RACES=folder: real race fixes too)
	@$(PY) -m tests.corpus
	@$(PY) -m tests.corpus.race_table $(RACES)

zoo: $(TEST) ## racy handlers and their twins, read and re-enacted, and every fix tried, some minutes (ARGS=--all-orders)
	@$(PY) -m tests.zoo $(ARGS)
	@$(PY) -m tests.zoo.fixes

capture: $(TEST) ## capture the bundled incident again (about ten minutes)
	@$(PY) data/cases/jobs-complete/capture/capture.py

clean: ## remove .venv, reports and caches
	@rm -rf .venv reports lab build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One way to install: uv where there is one, else venv and pip; exact versions from constraints.txt.
define install
@if [ -x .venv/.uv ] || { [ ! -d .venv/bin ] && command -v uv >/dev/null; }; then \
  [ -d .venv/bin ] || { uv venv -q --python '>=3.11' .venv && ln -s "$$(command -v uv)" .venv/.uv; } && \
  .venv/.uv pip install -q --python .venv/bin/python -c constraints.txt -e '.$(1)'; \
else \
  [ -d .venv/bin ] || sh .ci/venv .venv || exit 1; \
  .venv/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.$(1)'; \
fi && touch $@
endef

.venv/.base: pyproject.toml constraints.txt
	@echo "setting up .venv (once, a minute or two)"
	$(call install,[replay])

.venv/.test: pyproject.toml constraints.txt
	@echo "setting up .venv with what the tests need (once, a minute or two)"
	$(call install,[replay$(comma)test])
	@touch .venv/.base

.venv/.lab: pyproject.toml constraints.txt
	@echo "setting up .venv with JupyterLab (once, a minute or two)"
	$(call install,[lab])
	@touch .venv/.base

.venv/.bench: pyproject.toml constraints.txt
	@echo "setting up .venv with the rivals (once, a minute or two)"
	$(call install,[bench$(comma)replay$(comma)test])
	@touch .venv/.base .venv/.test

comma := ,
