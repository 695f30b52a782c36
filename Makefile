# One way to build and check. `make run` and `make test` do all the set-up.

.PHONY: run test test-postgres lint setup rust-tests python-tests postgres-tests fuzz bench bench-setup release revocation soak crash policy-fuzz

CARGO ?= cargo
# `make run CONSOLE=no` builds without the console, which needs npm.
CONSOLE ?= yes
ifeq ($(CONSOLE),no)
FEATURES := --no-default-features
endif

run:
	$(CARGO) run --release --locked -p sluice-server $(FEATURES) -- serve

# Cheap to dear.
test: setup lint rust-tests python-tests postgres-tests

setup:
	scripts/setup-tests

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --quiet --locked -p xtask -- check
	if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check bans licenses sources; fi

rust-tests:
	if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace --locked; \
	else $(CARGO) test --workspace --locked --lib --bins --tests; fi
	$(CARGO) test --workspace --doc --locked --quiet

# The binary as a user runs it, driven by the vendor's SDKs, MQTT clients and Chromium.
python-tests:
	$(CARGO) build --locked -p sluice-server
	$(CARGO) build --locked --manifest-path tests/clients/rumqttc/Cargo.toml --target-dir target/rumqttc
	target/python/bin/pytest -q -x -p no:cacheprovider tests

# What the choice of the database could change, on PostgreSQL: the operations, the workflow, and who may still do what. The
# store's own cases run on both in rust-tests, two servers on one database and its failure in python-tests.
ON_POSTGRES := tests/ram tests/workflow tests/attacks/test_attacks.py tests/attacks/test_kept_messages.py

postgres-tests:
	if $(CARGO) nextest --version >/dev/null 2>&1; then scripts/with-postgres $(CARGO) nextest run --locked -p sluice-actions; \
	else scripts/with-postgres $(CARGO) test --locked -p sluice-actions --tests; fi
	SLUICE_TEST_DATABASE=postgres target/python/bin/pytest -q -x -p no:cacheprovider $(ON_POSTGRES)

# Every test of the binary on PostgreSQL, but for those of SQLite's own file.
test-postgres: setup
	$(CARGO) build --locked -p sluice-server
	$(CARGO) build --locked --manifest-path tests/clients/rumqttc/Cargo.toml --target-dir target/rumqttc
	SLUICE_TEST_DATABASE=postgres target/python/bin/pytest -q -p no:cacheprovider tests

# Writes docs/benchmarks.md: the parts by criterion, the peers' table and the further figures. Takes about an hour.
BENCH := SLUICE_BIN=target/release/sluice target/python/bin/python tests/bench

bench: bench-setup
	target/python/bin/python tests/bench/parts.py --write
	$(BENCH)/revocation.py --write
	$(BENCH)/permission_cost.py --write
	target/python/bin/python tests/bench/decisions.py --write
	$(BENCH)/figures.py all --write
	$(BENCH)/peers.py --write
	$(BENCH)/durable.py --write
	$(BENCH)/operations.py --write
	$(BENCH)/scale.py --write

bench-setup: setup release
	scripts/setup-bench
	$(CARGO) build --release --locked -p sluice-server -p sluice-mqtt --examples

release:
	$(CARGO) build --release --locked -p sluice-server

revocation: setup release
	$(BENCH)/revocation.py

# Ten minutes of 10,000 connections; exits 1 on what may not happen.
soak: setup release
	$(BENCH)/soak.py --write

# Two hundred kills at random instants under load, and a checker of what the clients saw; prints its seeds.
# `make crash CRASH="--kills 1000"`, `CRASH="--kills 25 --seed N"` for one seed again.
CRASH ?= --kills 200

crash: setup release
	SLUICE_BIN=target/release/sluice target/python/bin/python tests/crash/run.py $(CRASH)

# Two million random pairs of policies and request, decided by the engine and by a second evaluator; prints the seeds, and a
# disagreement made small. `make policy-fuzz SEED=N PAIRS=N`; the tests run 20,000.
SEED ?= $(shell date +%s)
PAIRS ?= 2000000

policy-fuzz:
	SLUICE_POLICY_SEED=$(SEED) SLUICE_POLICY_PAIRS=$(PAIRS) \
	$(CARGO) test --release --locked -p sluice-policy --test differential -- --nocapture

# Ten million executions of the decoder by libFuzzer; the tests run the same targets for a moment.
fuzz:
	scripts/fuzz
