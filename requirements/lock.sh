#!/usr/bin/env bash
# Makes the three locks anew from pyproject.toml (needs uv): what runs, what tests, what builds.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}
lock --output-file requirements/run.lock
lock --extra test --extra build --output-file requirements/test.lock
printf 'hatchling==1.33.0\neditables\n' |
  uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/build.lock
