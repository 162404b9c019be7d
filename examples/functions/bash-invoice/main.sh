#!/usr/bin/env bash
# Draws up an invoice for each order: stdin has one event a line, stdout gets one a line. Structured mode, encoding json.
set -o pipefail
cd "$(dirname "$0")" || exit 70

# stdout belongs to the protocol: keep it as descriptor 3 and let 1 mean stderr, so that no stray echo gets into the events.
exec 3>&1 1>&2

# The loop is jq's: with -R it takes one line at a time. iconv is there because jq would replace bytes that are not UTF-8.
# When either fails, the output counts for nothing: 65 says that the input was at fault, and why is on stderr.
iconv -f UTF-8 -t UTF-8 | jq --raw-input --compact-output --unbuffered -L . -f invoice.jq >&3 3>&- || exit 65
