// `--secret id=X[,type=file|env][,src=FILE][,env=VAR]`, with buildx's words for what is wrong.

import { BuildError } from "../../../builder/core/errors.ts";
import { parsePairs } from "./csv.ts";

/** Where a secret comes from; neither `path` nor `variable`: to be guessed from the id. */
export interface SecretSpec {
  readonly id: string;
  readonly path?: string;
  readonly variable?: string;
}

/** Reads one secret. Throws `USAGE`. */
export function parseSecret(text: string): SecretSpec {
  let id = "";
  let type: string | undefined;
  let path: string | undefined;
  let variable: string | undefined;
  for (const { key, value } of parsePairs(text, "--secret")) {
    switch (key) {
      case "id":
        id = value;
        break;
      case "type":
        if (value !== "file" && value !== "env") {
          throw new BuildError("USAGE", `--secret: unsupported secret type "${value}"`, {
            hint: "types are file and env",
          });
        }
        type = value;
        break;
      case "src":
      case "source":
        path = value;
        break;
      case "env":
        variable = value;
        break;
      default:
        throw new BuildError("USAGE", `--secret: unexpected key "${key}"`, { hint: "keys are id, type, src and env" });
    }
  }
  // With type=env, src names the variable; without either, the id does.
  if (type === "env" && variable === undefined) {
    variable = path ?? id;
    path = undefined;
  }
  if (type === "file" && variable === undefined) path ??= id;
  if (id === "") throw new BuildError("USAGE", "--secret: the id is missing", { hint: "write id=NAME[,src=FILE]" });
  if (path !== undefined && variable !== undefined) {
    throw new BuildError("USAGE", `--secret: "${id}" is asked from a file and from the environment at once`);
  }
  return { id, ...(path === undefined ? {} : { path }), ...(variable === undefined ? {} : { variable }) };
}
