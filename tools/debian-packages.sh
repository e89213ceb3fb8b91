#!/bin/sh
# The Debian packages that tests use as peers and tools. Nothing of the product needs them at run time but uidmap
# (newuidmap, newgidmap).
# Usage: debian-packages.sh install [MORE…] | install-or-tell | missing
set -eu

packages="
  buildah busybox-static bzip2 chromium-headless-shell containerd crun docker-registry git openssh-client openssl podman
  python3-minimal runc skopeo umoci uidmap xz-utils zstd ca-certificates fuse-overlayfs slirp4netns
  libdevmapper1.02.1
"
# Installed, docker.io would start a daemon, and push another docker out: tests only need the program.
docker_place=/var/cache/tsbuild-tests/docker.io

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

unpack_docker() {
  [ ! -x $docker_place/usr/sbin/dockerd ] || return 0
  # Not everywhere there is such a package; then the tests that want it skip.
  folder=$(mktemp -d)
  (cd "$folder" && apt-get download -qq docker.io >/dev/null 2>&1 && dpkg -x docker.io_*.deb x \
    && mkdir -p "$(dirname $docker_place)" && rm -rf $docker_place && mv x $docker_place) || true
  rm -rf "$folder"
}

case ${1:-} in
  missing) missing ;;
  install)
    shift
    packages="$packages $*"
    wanted=$(missing)
    [ -z "$wanted" ] || install "$wanted"
    unpack_docker
    "${0%/*}/docker-clients.sh"
    ;;
  install-or-tell)
    command -v dpkg-query >/dev/null || { echo "not a Debian: tests that need other tools skip by name"; exit 0; }
    wanted=$(missing)
    if [ "$(id -u)" = 0 ]; then
      [ -z "$wanted" ] || { echo "installing what tests use: $wanted"; install "$wanted"; }
      unpack_docker
      "${0%/*}/docker-clients.sh" || echo "no docker command line: the tests that drive it skip"
    elif [ -n "$wanted" ]; then
      echo "some tests will skip; for all of them: sudo apt-get install --no-install-recommends $wanted"
    fi
    ;;
  *)
    echo "usage: $0 install | install-or-tell | missing" >&2
    exit 64
    ;;
esac
