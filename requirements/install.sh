#!/usr/bin/env bash
# Installs a lock into a virtual environment: requirements/install.sh PATH_TO_PIP LOCK
#
# With TORCH_INDEX=ADDRESS, torch and torchvision come from that package index, in the versions of the lock. On x86-64
# Linux the default wheels bring several GB of CUDA libraries; an index of CPU wheels saves them.
set -euo pipefail
pip=$1
lock=$2
here=$(dirname "$0")
quiet=(--disable-pip-version-check --quiet)
# pip is quiet about progress, and PyTorch takes minutes.
name=$(basename "$lock")
if grep --quiet '^torch==' "$lock"; then name="$name, with PyTorch, which takes minutes"; fi
echo "Installing $name ..." >&2
if [ -z "${TORCH_INDEX:-}" ]; then
  "$pip" install "${quiet[@]}" --require-hashes -r "$lock"
  exit
fi
reduced=$(mktemp)
trap 'rm -f "$reduced"' EXIT
python3 "$here/without_cuda.py" "$lock" >"$reduced"
mapfile -t torch < <(grep --only-matching --extended-regexp '^(torch|torchvision)==[^ \\;]+' "$lock")
# Wheels of another index have other hashes, so these two are installed without the lock's.
"$pip" install "${quiet[@]}" --index-url "$TORCH_INDEX" --no-deps "${torch[@]}"
"$pip" install "${quiet[@]}" --require-hashes -r "$reduced"
