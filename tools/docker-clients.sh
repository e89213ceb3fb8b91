#!/bin/sh
# The docker command line, buildx and compose for tests, from Debian sid (older Debians lack them), unpacked into a
# folder. Nothing is installed: apt works on lists of its own, and holds each package against the signed index.
# Usage: docker-clients.sh, as root of a Debian
set -eu

place=/var/cache/tsbuild-tests/docker-clients
packages="docker-cli docker-buildx docker-compose"

[ ! -x $place/usr/bin/docker ] || exit 0
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -1)
[ -n "$mirror" ] || { echo "docker-clients.sh: no Debian archive among apt's sources" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work" "$place.new"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
touch "$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
END
export APT_CONFIG="$work/apt.conf"

apt-get update -qq
rm -rf $place.new
mkdir -p $place.new
cd "$work"
# shellcheck disable=SC2086 # a list of words
apt-get download -qq $packages
for package in *.deb; do dpkg -x "$package" $place.new; done
# What does not run here (another C library) is not there.
$place.new/usr/bin/docker --version >/dev/null
for plugin in buildx compose; do $place.new/usr/libexec/docker/cli-plugins/docker-$plugin version >/dev/null; done
rm -rf $place
mv $place.new $place
