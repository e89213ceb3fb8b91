// `--env-file`: a variable a line, as docker reads it (docker/cli, pkg/kvfile).

import { BuildError } from "../../../builder/core/errors.ts";

/**
 * The lines of an env file as `-e` takes them: `K=V`, or a bare K. Comments and empty lines are left out; a value is what
 * stands behind the first "=", quotes and all. Throws `USAGE` for a line without a name; `where` names the file.
 */
export function parseEnvFile(text: string, where: string): string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .map((line) => line.replace(/\r$/, "").trimStart())
    .flatMap((line, at) => {
      if (line === "" || line.startsWith("#")) return [];
      const equals = line.indexOf("=");
      const name = equals < 0 ? line.trimEnd() : line.slice(0, equals);
      if (name === "") throw new BuildError("USAGE", `${where}, line ${at + 1}: there is no name before "="`);
      if (/\s/.test(name)) throw new BuildError("USAGE", `${where}, line ${at + 1}: the name "${name}" holds a space`);
      return [equals < 0 ? name : line];
    });
}
