#!/usr/bin/env bash
# Builds the Dockerfile in full and lets the container serve an image, without a Docker engine.
#
# Debian, as root, with buildah and debootstrap. The base image is made from a debootstrap folder. What a chroot
# cannot show: a read-only root and a network of its own (so the port is one of this machine's), and HEALTHCHECK,
# which buildah's format keeps only with --format docker and never runs.
#
#   KEEP=1 keeps the storage; STORAGE=/some/folder uses that one (and a base image that is already there).
set -euo pipefail
cd "$(dirname "$0")/../.."

work=${STORAGE:-$(mktemp -d "${TMPDIR:-/tmp}/sge-container.XXXXXX")}
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
buildah() { command buildah --root "$work/storage" --runroot "$work/run" "$@"; }
container=""
server=""

clean_up() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ -z "$container" ] || buildah rm "$container" >/dev/null 2>&1 || true
  [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap clean_up EXIT

make_base() {
  local suite mirror root=$work/base
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # The machine's own mirror, whichever it is.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 \
    || { tail -n 20 "$work/debootstrap.log"; return 1; }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  local from
  from=$(buildah from scratch)
  buildah add --quiet "$from" "$root" / >/dev/null
  buildah commit --quiet --rm "$from" sge-base >/dev/null
  rm -rf "$root"
}

# pip's own configuration is handed in while the image is built and does not stay in it.
pip_mounts() {
  local file folder
  for file in /etc/pip.conf /etc/xdg/pip/pip.conf "$HOME/.config/pip/pip.conf"; do
    [ -f "$file" ] && echo "--volume=$file:/etc/$( [ "$file" = /etc/pip.conf ] && echo pip.conf || echo xdg/pip/pip.conf):ro"
  done
  # Folders of wheels and of package indexes that pip's configuration names.
  for folder in $(python3 -m pip config list 2>/dev/null | grep -oE "(file://)?/[^ ']+" | sed 's#^file://##; s#/simple$##' | sort -u); do
    [ -d "$folder" ] && echo "--volume=$folder:$folder:ro"
  done
  [ -f /etc/ssl/certs/ca-certificates.crt ] && echo "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"
  return 0
}

mkdir -p "$work"
buildah inspect --type image sge-base >/dev/null 2>&1 || make_base
mapfile -t mounts < <(pip_mounts)
buildah build --layers=false --format docker --target cpu --build-arg BASE_IMAGE=localhost/sge-base \
  "${mounts[@]}" --tag sge-lens . >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
[ -n "${KEEP:-}" ] || buildah rmi --force sge-base >/dev/null 2>&1 || true
buildah images --format '{{.Name}} {{.Size}}'

container=$(buildah from localhost/sge-lens)
inside() { buildah run "$container" -- "$@"; }
[ "$(inside python3 -c 'import os; print(os.getuid())')" = 10001 ] || { echo "runs as root"; exit 1; }
if inside python3 -c 'import torch' 2>/dev/null; then echo "PyTorch is in the last stage"; exit 1; fi
for tool in gcc cc pip; do
  if inside sh -c "command -v $tool" >/dev/null 2>&1; then echo "$tool is in the last stage"; exit 1; fi
done
if inside sh -c 'echo x > /opt/venv/x' 2>/dev/null; then echo "the service can change its own files"; exit 1; fi

port=$(python3 -c 'from scripts.ports import free_port; print(free_port())')
buildah run --env SGE_PORT="$port" "$container" -- sge serve >"$work/serve.log" 2>&1 &
server=$!
python3 - "$port" <<'PY'
import json, sys, time, urllib.request
address = f"http://127.0.0.1:{sys.argv[1]}"
for _ in range(240):
    try:
        urllib.request.urlopen(f"{address}/api/v1/health/ready", timeout=5).close()
        break
    except OSError:
        time.sleep(0.5)
assert b"SGE Lens" in urllib.request.urlopen(address, timeout=30).read()
upload = open("static/samples/shepherd.jpg", "rb").read()
request = urllib.request.Request(f"{address}/api/v1/analyze", upload, {"Content-Type": "image/jpeg"})
analysis = json.load(urllib.request.urlopen(request, timeout=60))
assert len(analysis["blocks"]) == 15 and len(analysis["masks"]) == 15
assert analysis["predictions"][0]["label"] == "German shepherd", analysis["predictions"]
print("container served an image:", analysis["predictions"][0]["label"])
PY

# To the server's own process, as a container engine does; buildah's, of the same user, stand between.
pkill --signal TERM --uid 10001 --full '^/opt/venv/bin/python'
wait "$server" && server="" || { echo "did not end well after SIGTERM"; tail -n 5 "$work/serve.log"; exit 1; }
echo "ended by SIGTERM with 0"
