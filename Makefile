.PHONY: setup
setup:
	@bash scripts/setup.sh
