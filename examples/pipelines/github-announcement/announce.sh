#!/usr/bin/env bash
# Says in one line what happened in a repository: stdin has one event a line, stdout gets one a line. Structured mode, encoding json.
set -euo pipefail

# stdout belongs to the protocol: keep it as descriptor 3 and let 1 mean stderr.
exec 3>&1 1>&2

while IFS= read -r event; do
    # A jq that fails ends the script with its status: 65 says that the input was at fault.
    who=$(jq -er '.data.sender.login' <<<"$event") || exit 65
    where=$(jq -er '.data.repository.full_name' <<<"$event") || exit 65
    what=$(jq -er '.type | ltrimstr("com.github.")' <<<"$event") || exit 65
    subject=$(jq -r '.subject // ""' <<<"$event")
    case $what in
        push) text="$who pushed $subject to $where" ;;
        issue.*) text="$who ${what#issue.} issue $subject of $where" ;;
        *) text="$who: $what $subject in $where" ;;
    esac
    jq -cn --argjson event "$event" --arg text "$text" \
        '{specversion: "1.0", id: ($event.id + "/1"), source: "/announce", type: "com.example.announcement", datacontenttype: "text/plain", data: $text}' >&3
done
