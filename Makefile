# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make audit                                           preview for this host: what refuses netlink, and what would mend it
# make audit INVENTORY=hosts.ini ARGS="--limit web"    the same for a fleet
# make test                                            every test, with a table of what ran and what did not
# make lab                                             only those on whole hosts and on guests with a kernel of their own
# make demo                                            break, diagnose, fix, verify and roll back in namespaces of its own
# make bench                                           measure against the rivals, write docs/benchmarks.md
# PYTHON=/path/to/python3.13 picks the interpreter; the newest suitable one is found otherwise.

export PYTHON
BOOTSTRAP ?= python3
VENV := $(CURDIR)/.venv
INVENTORY ?=
ARGS ?=
ANSIBLE := ANSIBLE_COLLECTIONS_PATH="$(VENV)/collections" ANSIBLE_INJECT_FACT_VARS=false
LOCALHOST := -i localhost, -e ansible_connection=local -e ansible_python_interpreter="$(VENV)/bin/python"

.PHONY: audit test lab demo bench install clean

audit: install
	$(ANSIBLE) "$(VENV)/bin/ansible-playbook" playbooks/fix-netlink.yml --check --diff \
		$(if $(INVENTORY),-i "$(INVENTORY)",$(LOCALHOST)) $(ARGS)

install:
	@$(BOOTSTRAP) tests/environment.py "$(VENV)" requirements.txt
	@$(ANSIBLE) "$(VENV)/bin/ansible-galaxy" collection install . -p "$(VENV)/collections" --force --no-deps >/dev/null

test:
	@$(BOOTSTRAP) tests/run.py $(ARGS)

lab:
	@$(BOOTSTRAP) tests/run.py 'lab-*' guest $(ARGS)

demo: install
	@$(ANSIBLE) "$(VENV)/bin/python" tests/demo/run.py $(ARGS)

bench: install
	@$(ANSIBLE) "$(VENV)/bin/python" tests/benchmark/run.py $(ARGS)

clean:
	rm -rf .venv build tests/output .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis .nox
