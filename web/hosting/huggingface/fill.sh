#!/bin/sh
# Puts the built page into a clone of a static Space: sh hosting/huggingface/fill.sh CLONE; then git add, commit and push there.
set -eu
[ $# = 1 ] && [ -d "$1/.git" ] || { echo "expected the clone of a Space; type sh hosting/huggingface/fill.sh CLONE" >&2; exit 2; }
here=$(dirname "$0")
dist=$here/../../dist
[ -f "$dist/index.html" ] || { echo "there is no web/dist; type npm run build" >&2; exit 1; }
cp -R "$dist/." "$here/README.md" "$here/.gitattributes" "$1"
find "$1" -path "$1/.git" -prune -o \( -name '*.br' -o -name '*.gz' \) -exec rm {} +
