// The flags of `tsbuild login` and `tsbuild logout`: docker's, and podman's where they help.

import { INSECURE_FLAG } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

const KEPT = "a login is kept in config.json: set DOCKER_CONFIG to another folder";

// prettier-ignore
export const LOGIN_FLAGS: readonly Flag[] = [
  { name: "authfile", kind: "string", state: "later", help: "File that keeps the login", note: KEPT },
  { name: "cert-dir", kind: "string", value: "DIR", state: "works", help: "Folder of certificates for the registry: *.crt, and *.cert with *.key" },
  { name: "compat-auth-file", kind: "string", state: "later", help: "File that keeps the login", note: KEPT },
  { name: "get-login", kind: "boolean", state: "later", help: "Show who is logged in", note: "tsbuild registry explain HOST/ says which login is used" },
  INSECURE_FLAG,
  { name: "password", short: "p", kind: "string", value: "PASSWORD", state: "works", help: "Password or access token (others can see it: use --password-stdin)" },
  { name: "password-stdin", kind: "boolean", state: "works", help: "Take the password or access token from standard input" },
  { name: "tls-verify", kind: "boolean", state: "works", help: "Check the server's certificate (default true)" },
  { name: "username", short: "u", kind: "string", value: "NAME", state: "works", help: "User name" },
  { name: "verbose", short: "v", kind: "boolean", state: "ignored", help: "Say more" },
  ...GLOBAL_FLAGS,
];

// prettier-ignore
export const LOGOUT_FLAGS: readonly Flag[] = [
  { name: "authfile", kind: "string", state: "later", help: "File that keeps the login", note: KEPT },
  { name: "compat-auth-file", kind: "string", state: "later", help: "File that keeps the login", note: KEPT },
  { name: "all", short: "a", kind: "boolean", state: "works", help: "Forget the logins of every registry" },
  ...GLOBAL_FLAGS,
];
