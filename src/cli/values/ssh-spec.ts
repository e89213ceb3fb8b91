// `--ssh default|<id>[=<socket>|<key>[,<key>]]`.

import { BuildError } from "../../../builder/core/errors.ts";

export interface SshSpec {
  readonly id: string;
  /** Empty: the agent at SSH_AUTH_SOCK. */
  readonly paths: readonly string[];
}

/** Reads one agent. Throws `USAGE`. */
export function parseSsh(text: string): SshSpec {
  const equals = text.indexOf("=");
  const id = equals < 0 ? text : text.slice(0, equals);
  const paths = equals < 0 ? [] : text.slice(equals + 1).split(",");
  if (id === "") throw new BuildError("USAGE", `--ssh: "${text}" has no id`, { hint: "write default or id=SOCKET" });
  if (paths.includes("raw=true")) throw new BuildError("UNSUPPORTED", "--ssh: raw=true is not supported yet");
  if (paths.includes("")) throw new BuildError("USAGE", `--ssh: "${text}" names an empty path`);
  return { id, paths };
}
