#!/bin/sh
# Compiles the launcher, static, with musl's C library where it will (small), else with the system's.
# Usage: launcher.sh OUTPUT SOURCE.c…
set -eu

output=$1
shift
mkdir -p "$(dirname "$output")"
log=$(mktemp)
trap 'rm -f "$log" "$log.now" "$output.new"' EXIT

tried=
for compiler in musl-gcc cc gcc; do
  command -v "$compiler" >/dev/null || continue
  tried="$tried $compiler"
  if "$compiler" -std=gnu11 -O2 -Wall -Wextra -static -s -o "$output.new" "$@" 2>"$log.now"; then
    mv "$output.new" "$output"
    echo "$compiler -static -o $output $*"
    cat "$log.now" >&2
    exit 0
  fi
  { echo "$compiler:" && cat "$log.now"; } >>"$log"
done

if [ -n "$tried" ]; then
  cat "$log" >&2
  echo "tsbuild: the launcher did not compile; tried:$tried" >&2
  exit 1
fi
echo "tsbuild: no C compiler here, so no launcher: RUN falls back to crun, runc or unshare (apt-get install gcc libc6-dev)" >&2
