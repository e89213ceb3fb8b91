// A credential helper that keeps its secrets in a folder and writes down how it was called.

import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Environment } from "../../src/config/environment.ts";
import type { ConfigHome } from "./config-home.ts";

const PROGRAM = `#!/bin/sh
echo "$# $*" >> "$FAKE_STORE/calls"
read_all=$(cat)
key() { printf %s "$1" | tr '/:' '__'; }
case $1 in
get)
  file=$FAKE_STORE/$(key "$read_all")
  [ -f "$file" ] && exec cat "$file"
  echo "credentials not found in native keychain"; exit 1 ;;
store)
  url=$(printf %s "$read_all" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/')
  printf %s "$read_all" > "$FAKE_STORE/$(key "$url")" ;;
erase)
  file=$FAKE_STORE/$(key "$read_all")
  [ -f "$file" ] && exec rm "$file"
  echo "credentials not found in native keychain"; exit 1 ;;
esac
`;

/** Installs \`docker-credential-NAME\`; the environment in which it is found. */
export function installHelper(home: ConfigHome, name: string, program = PROGRAM): Environment {
  home.write(`bin/docker-credential-${name}`, program, 0o755);
  home.write("store/calls", "");
  return {
    PATH: `${join(home.folder, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    FAKE_STORE: join(home.folder, "store"),
  };
}

/** The helpers' calls: number of arguments, and the arguments. */
export function helperCalls(home: ConfigHome): string[] {
  return readFileSync(join(home.folder, "store/calls"), "utf8").trim().split("\n");
}
