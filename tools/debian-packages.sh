#!/bin/sh
# The Debian packages that tests use as peers and tools. Nothing of the product needs them at run time but uidmap
# (newuidmap, newgidmap).
# Usage: debian-packages.sh install [MORE…] | install-or-tell | missing
set -eu

packages="
  buildah busybox-static bzip2 containerd crun docker-registry git openssh-client openssl podman
  python3-minimal runc skopeo umoci uidmap xz-utils zstd ca-certificates fuse-overlayfs slirp4netns
"

missing() {
  for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || printf '%s ' "$package"
  done
}

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $1 >/dev/null
}

case ${1:-} in
  missing) missing ;;
  install)
    shift
    packages="$packages $*"
    wanted=$(missing)
    [ -z "$wanted" ] || install "$wanted"
    ;;
  install-or-tell)
    command -v dpkg-query >/dev/null || { echo "not a Debian: tests that need other tools skip by name"; exit 0; }
    wanted=$(missing)
    [ -n "$wanted" ] || exit 0
    if [ "$(id -u)" = 0 ]; then
      echo "installing what tests use: $wanted"
      install "$wanted"
    else
      echo "some tests will skip; for all of them: sudo apt-get install --no-install-recommends $wanted"
    fi
    ;;
  *)
    echo "usage: $0 install | install-or-tell | missing" >&2
    exit 64
    ;;
esac
