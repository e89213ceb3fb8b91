# Everything runs on the Node that tools/node pins, whatever Node the machine has; npm ci brings it. `make help` lists
# the targets.

ARCH := $(patsubst x86_64,x64,$(patsubst aarch64,arm64,$(shell uname -m)))
NODE_DIR := $(CURDIR)/node_modules/node-linux-$(ARCH)
SYSTEM_PATH := $(PATH)

# Not node_modules/.bin/node: npm drops that link when it leaves out the other architecture's package.
export PATH := $(NODE_DIR)/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# Where node-pty finds the headers of the Node it is compiled for; an empty HOME has none.
export npm_config_nodedir := $(NODE_DIR)

MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

MODULES := node_modules/.installed
DIST := dist/.built
BUNDLE := dist/tsbuild.cjs
LAUNCHER := dist/builder/executor/launcher/tsbuild-launcher
LAUNCHER_SOURCES := $(wildcard builder/executor/launcher/*.[ch])
# Folders too: a file that is gone or new changes its folder.
SOURCES := $(shell find builder src -name '*.ts' -o -name '*.json' -o -type d)

.PHONY: build demo test check format bench soak image install clean help

build: $(MODULES) $(DIST) $(BUNDLE) $(if $(LAUNCHER_SOURCES),$(LAUNCHER)) ## modules, dist/ and the launcher; does only what is needed (the default)

demo: build ## builds two images from this machine's own programs and runs one
	@node tools/demo.ts

test: build ## the test suite; as root it first installs the Debian packages that tests use (FILES=… runs those only, TESTS=whole also long ones)
	@tools/debian-packages.sh install-or-tell
	@node tools/test.ts $(FILES)

check: build ## format, lint, types, dead code, import rules
	prettier --check --log-level warn .
	oxlint
	tsc -p .
	knip
	node --test --test-reporter=dot test/layout.test.ts

format: $(MODULES) ## puts every file into prettier's form
	prettier --write --log-level warn .

bench: build ## measures; prints ratios
	@node tools/bench/main.ts

soak: build ## many builds at once, killed at random, checks the store; then long forms of tests
	@node tools/soak/main.ts
	@node tools/soak/daemon.ts
	@node tools/soak/fuzz.ts
	@node tools/soak/growth.ts
	@CONFORMANCE=all node tools/test.ts test/conformance.test.ts
	@CONFORMANCE=all node --test test/daemon/conformance.test.ts
	@INVALIDATION=all node tools/test.ts test/invalidation.test.ts
	@node --test tools/soak/own-image.test.ts
	@node --test tools/soak/pods.test.ts
	@node --test tools/soak/memory.test.ts
	@node --test tools/soak/transfer-memory.test.ts
	@INTERRUPTIONS=100 node --test test/transport/registry-interrupt.test.ts

image: build ## our own images (executor, debug, daemon) as OCI layouts in dist/images, made by tsbuild itself
	@node tools/image.ts

install: build ## to PREFIX (/usr/local for root, else ~/.local), below DESTDIR if given; brings its own Node
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' node tools/install.ts

clean: ## removes dist/, node_modules/ and what tests keep
	rm -rf dist node_modules .cache

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# npm ci runs on the machine's own Node, since it takes the pinned one away and brings it back. No install script runs
# in it (.npmrc): the one that is wanted, node-pty's, runs by itself, so that its failure is seen.
$(MODULES): package-lock.json tools/node/package.json .npmrc
	PATH='$(SYSTEM_PATH)' npm ci --loglevel=error
	@test -x $(NODE_DIR)/bin/node || { echo "tsbuild: no pinned Node for $(ARCH) in node_modules: npm left it out" >&2; exit 1; }
	@npm rebuild node-pty --ignore-scripts=false --loglevel=error \
	  || echo "tsbuild: node-pty did not compile (it needs g++ and python3): \`run -t\` will not work, all else does" >&2
	@touch $@

# The library; the program is bundled. tsc leaves the output of a source that is gone; the loop takes it away.
$(DIST): $(MODULES) tsconfig.json tsconfig.build.json $(SOURCES)
	tsc -p tsconfig.build.json
	@rm -rf dist/src; cd dist && find builder -name '*.js' | while read -r file; do \
	  test -e "../$${file%.js}.ts" || rm -f "$$file" "$${file%.js}.d.ts"; done
	@touch $@

$(BUNDLE): $(MODULES) tools/bundle.ts $(wildcard tools/bundle/*.ts) package.json $(SOURCES)
	@node tools/bundle.ts

$(LAUNCHER): $(LAUNCHER_SOURCES)
	@tools/launcher.sh $@ $(filter %.c,$^)
