#!/usr/bin/env bash
# Installs what the examples need beyond the programs of the system, and compiles what has to be compiled.
# Python's packages go to target/venv, Node's to examples/node_modules; run it again at any time. What is missing on
# this machine (python3, npm, a compiler) is named and left out: the tests then ignore the examples that need it.
set -euo pipefail
cd "$(dirname "$0")"
venv=../target/venv

if command -v python3 >/dev/null; then
    [ -x "$venv/bin/python3" ] || python3 -m venv "$venv"
    "$venv/bin/python3" -c 'import capnp, cloudevents, google.protobuf' 2>/dev/null ||
        "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
else
    echo "setup: no python3, so no examples in Python" >&2
fi

if command -v npm >/dev/null; then
    [ -d node_modules/protobufjs ] || npm install --silent --no-audit --no-fund --no-package-lock
else
    echo "setup: no npm, so no examples in Node.js with packages" >&2
fi

for makefile in functions/*/Makefile; do
    make --silent --directory "$(dirname "$makefile")" || echo "setup: $(dirname "$makefile") was not compiled" >&2
done
