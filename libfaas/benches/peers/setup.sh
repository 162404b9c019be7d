#!/bin/sh
# Installs what the benchmark measures beside ours and cargo can't build: functions-framework-python,
# into target/peers/python. bwrap and crun are packages of the system.
set -eu
cd "$(dirname "$0")/../../.."
venv="${CARGO_TARGET_DIR:-target}/peers/python"
python3 -m venv "$venv"
"$venv/bin/python3" -m pip install --quiet --disable-pip-version-check -r libfaas/benches/peers/requirements.txt
