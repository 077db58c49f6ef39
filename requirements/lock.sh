#!/usr/bin/env bash
# Writes the four locks (needs uv): test, run, serve (without PyTorch), build. Pins in an existing lock are kept if they fit;
# to move one, add --upgrade-package NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}
lock --extra test --extra build --output-file requirements/test.lock
# What runs is a part of what is tested, in the same versions.
lock --extra app --extra download --constraint requirements/test.lock --output-file requirements/run.lock
uv pip compile requirements/serve.in --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links --quiet \
  --constraint requirements/test.lock --output-file requirements/serve.lock
printf 'hatchling==1.33.0\neditables\n' |
  uv pip compile - --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --quiet --output-file requirements/build.lock
