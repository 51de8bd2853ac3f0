# The lab and the checks. Everything goes through lab/bootstrap.sh, which installs what is missing.
.DEFAULT_GOAL := help
.PHONY: help up preview down lab-save lab-load lab-states lab-forget shell status unit scripts standins charts lint test test-lab test-full bench bench-nodes bench-push preflight
LAB := lab/bootstrap.sh
PYTHON := $(LAB) --python

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# FRESH=1: from nothing, also where a kept state of the same sources would do.
up: ## bring up the lab and stack dev; again: continues, or changes nothing; GITLAB=official takes GitLab's own images
	@$(LAB) up $(if $(GITLAB),--gitlab $(GITLAB)) $(if $(FRESH),--fresh)

preview: ## what `pulumi up` would do to stack dev
	@$(LAB) preview

preflight: ## look at the machines of stack dev, change nothing: what `pulumi up` would refuse or warn of
	@$(LAB) preflight

down: ## remove the lab; caches stay
	@$(LAB) down

lab-save: ## keep the whole lab as it is now: NAME=…
	@$(LAB) save "$(NAME)"

lab-load: ## bring the lab back to a kept state, whatever runs now: NAME=…; FORCE=1 also one of other sources
	@$(LAB) load "$(NAME)" $(if $(FORCE),--force)

lab-states: ## which states are kept
	@$(LAB) states

lab-forget: ## remove a kept state: NAME=…
	@$(LAB) forget "$(NAME)"

# CMD reaches the shell through the environment and unexpanded: quotes and dollars in it stay as they are.
# Make itself ends with 2 whatever the command's status was; `lab/bootstrap.sh shell --command '…'` ends with that.
shell: export LAB_COMMAND = $(value CMD)
shell: ## open the workstation; CMD='…' runs one command there; ON=dns (or another machine) goes there instead
	@$(LAB) shell $(ON) $(if $(value CMD),--command "$$LAB_COMMAND")

status: ## what runs, and which tools are used
	@$(LAB) status

# By file: what a file's tests share is made once; as they are listed: the last ones are short. `make test` has the
# processors busy with other checks anyway.
BY_FILE := --numprocesses auto --dist loadfile --no-loadscope-reorder

unit: ## unit tests, no network; ONLY=FILE runs just that one, ARGS='--snapshot-update' goes to pytest
	@$(PYTHON) -m pytest $(or $(ONLY),tests/unit $(BY_FILE)) $(ARGS)

scripts: ## the machines' scripts and other programs, run here among fake commands; ONLY and ARGS as above
	@$(PYTHON) -m pytest $(or $(ONLY),tests/scripts $(BY_FILE)) $(ARGS)

standins: ## tests of the lab's stand-ins for GitLab, by its clients: package registries but no lab
	@$(PYTHON) -m pytest tests/standins

charts: ## the charts: Helm's lint, Kubernetes' schemas, snapshots of what is rendered
	@$(PYTHON) -m tools.check charts

lint: ## style, types, shell scripts
	@$(PYTHON) -m tools.check lint

test: ## everything that needs no lab: lint, unit tests, scripts, stand-ins, Go, charts, services
	@$(PYTHON) -m tools.check

# ONLY='FILE…' (or FILE::TEST) runs just these, with the cases that only test-full has.
test-lab: ## the lab's main way and one case of each kind; ONLY=tests/lab/test_sshd.py runs all of that file alone
	@$(PYTHON) -m pytest $(if $(ONLY),$(ONLY),tests/standins/runner tests/conformance tests/lab -m "not full")

test-full: ## every case that test-lab leaves out; writes what passed, and how long each took, below ~/.cache/auto-devops/reports; ARGS=--reverse
	@$(PYTHON) -m pytest tests/conformance tests/lab -m full --report $(ARGS)

bench: ## how fast `pulumi preview` is
	@$(PYTHON) -m bench

bench-nodes: ## how fast machines become nodes, beside a plain shell script (about ten minutes)
	@$(PYTHON) -m bench.nodes

bench-push: ## from push to new answer, beside the same typed by hand (some minutes)
	@$(PYTHON) -m bench.push
