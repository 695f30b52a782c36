# One way to build and check. `make run` and `make test` do all the set-up.

.PHONY: run test lint bench

CARGO ?= cargo

run:
	$(CARGO) run --release -p sluice-server -- serve

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --quiet -p xtask -- check

# Cheap to dear.
test: lint
	if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace --locked; \
	else $(CARGO) test --workspace --locked --lib --bins --tests; fi
	$(CARGO) test --workspace --doc --locked --quiet

bench:
	$(CARGO) bench --workspace
