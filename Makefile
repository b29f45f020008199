# Everything a newcomer or a maintainer does with this repository. `make` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export CHROMIUM ?=

VENV := .venv
CLIENTS := .venv-clients
STAMPS := .make
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
PYTEST := $(PY) -m pytest
# Test processes beside each other; JOBS=0 runs the tests in one, for a debugger.
JOBS ?= auto
# In the order of the files, so that the long journeys are not left for the end.
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder
SOURCES := agreements model_access portal tests
DATA ?= demo-data
PORT ?= 8765
T ?= tests
# A fresh clone is a fresh machine: say what is being done, since the first time takes minutes.
say = @printf '\033[1;36m==>\033[0m %s\n'

.PHONY: help run demo test check format browser storm screenshots constraints clean

help: ## List what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(STAMPS)/portal $(STAMPS)/sandbox ## Install into .venv and run the demo portal (DATA=, PORT=)
	$(say) 'Starting the demo portal; the first start trains four small models, about two minutes on two cores.'
	@exec $(VENV)/bin/concordat demo --data $(DATA) --port $(PORT) $(ARGS)

demo: run ## The same as run

test: $(STAMPS)/test $(STAMPS)/clients $(STAMPS)/sandbox $(STAMPS)/chromium ## Install what tests need, Chromium included, and run them (T=path, JOBS=processes)
	$(say) 'Running the tests; the first run trains the demo ladder.'
	@$(PYTEST) $(SPREAD) $(T)

check: $(STAMPS)/lint ## Formatting, lint and types
	$(say) 'Checking format, lint and types.'
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

format: $(STAMPS)/lint ## Format the code and apply safe fixes
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

browser: $(STAMPS)/test $(STAMPS)/sandbox $(STAMPS)/chromium ## Only the tests that drive a real Chromium
	@$(PYTEST) -m browser tests

storm: $(STAMPS)/test ## Only the tests that kill the portal while it writes
	@$(PYTEST) -m storm tests

screenshots: $(STAMPS)/test $(STAMPS)/sandbox $(STAMPS)/chromium ## Take the pictures in docs/screens from a running demo
	$(say) 'Taking pictures of every screen.'
	@$(PY) -m tests.journeys.screenshots docs/screens

constraints: $(STAMPS)/lint ## Write constraints.txt from what is installed now
	@{ head -2 constraints.txt; \
	  $(PIP) freeze --exclude-editable | sed -nE 's/^([A-Za-z0-9._-]+==[^+ ]+).*/\1/p'; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove everything that make made, data included
	rm -rf $(VENV) $(CLIENTS) $(STAMPS) $(DATA) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

# ---- what the above rests on ----------------------------------------------------------------------------------------

$(PY):
	$(say) 'Making a virtual environment in $(VENV).'
	@for candidate in "$${PYTHON:-}" python3.11 python3.12 python3.13 python3; do \
	  if [ -n "$$candidate" ] && "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$candidate" -m venv $(VENV) && exit 0; \
	  fi; \
	done; \
	echo 'Python 3.11 or newer, with its venv module, is needed. Say where it is: make PYTHON=/path/to/python3' >&2; exit 1

$(STAMPS)/torch: constraints.txt | $(PY)
	$(say) 'Installing PyTorch, the largest part.'
	@mkdir -p $(STAMPS)
	@$(PIP) install --upgrade pip
	@$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(STAMPS)/portal: pyproject.toml constraints.txt $(STAMPS)/torch
	$(say) 'Installing concordat and what it needs.'
	@$(PIP) install -c constraints.txt -e '.[portal]'
	@touch $@

$(STAMPS)/test: $(STAMPS)/portal
	$(say) 'Installing what the tests need.'
	@$(PIP) install -c constraints.txt --group test
	@touch $@

# What they share with the portal, PyTorch above all, they find in its environment after their own.
$(STAMPS)/clients: pyproject.toml constraints-clients.txt | $(STAMPS)/test
	$(say) 'Installing the clients that partners use, into $(CLIENTS).'
	@rm -rf $(CLIENTS) && $(PY) -m venv $(CLIENTS)
	@$(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($(CLIENTS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/portal.pth"
	@$(PIP) --python $(CLIENTS)/bin/python install -c constraints-clients.txt --group clients
	@touch $@

$(STAMPS)/lint: $(STAMPS)/test
	$(say) 'Installing formatter, linter and type checker.'
	@$(PIP) install -c constraints.txt --group lint
	@touch $@

$(STAMPS)/sandbox:
	@mkdir -p $(STAMPS)
	@if command -v bwrap >/dev/null; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  printf '\033[1;36m==>\033[0m %s\n' 'Installing bubblewrap, which isolates the model workers.'; \
	  { apt-get -qq update && apt-get -qq install -y --no-install-recommends bubblewrap libseccomp2 >/dev/null; } \
	    || echo 'bubblewrap could not be installed; workers will be isolated by Landlock and seccomp instead.'; \
	  touch $@; \
	else \
	  echo 'bubblewrap is not installed (Debian, Ubuntu: sudo apt-get install bubblewrap libseccomp2);'; \
	  echo 'workers will be isolated by Landlock and seccomp instead, if this kernel offers them.'; \
	fi

$(STAMPS)/chromium: | $(STAMPS)/test
	@if [ -n "$${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  printf '\033[1;36m==>\033[0m %s\n' 'Installing Chromium for the browser tests.'; \
	  apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null && touch $@; \
	else \
	  echo 'The browser tests need Chromium: install it (Debian, Ubuntu: sudo apt-get install chromium),' >&2; \
	  echo 'or name one: make test CHROMIUM=/path/to/chromium' >&2; exit 1; \
	fi
