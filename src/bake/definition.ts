// All files of a definition as one: compose files first, then HCL and JSON (buildx, bake/bake.go).

import { BuildError } from "../../builder/core/errors.ts";
import type { Environment } from "../config/environment.ts";
import { readBlocks, SCHEMA } from "./blocks.ts";
import type { Body } from "./hcl/ast.ts";
import { parseHcl } from "./hcl/body.ts";
import { standardFunctions } from "./hcl/functions/stdlib.ts";
import { parseJsonBody } from "./hcl/json-body.ts";
import type { SourceFile } from "./hcl/source.ts";
import { FileScope } from "./scope.ts";
import type { Definition } from "./target.ts";

/** What a definition is read with. */
export interface DefinitionOptions {
  readonly environment: Environment;
  /** `--var`. */
  readonly variables: ReadonlyMap<string, string>;
  readonly builtins: ReadonlyMap<string, string>;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** A definition and the names that its files declare. */
export interface ReadDefinition {
  readonly definition: Definition;
  readonly scope: FileScope;
  /** What the files say that means nothing, for a warning. */
  readonly ignored: readonly string[];
}

/** Reads the files together. Throws `CONFIG` with the line of what is wrong. */
export async function readDefinition(
  files: readonly SourceFile[],
  { environment, variables, builtins, now }: DefinitionOptions,
): Promise<ReadDefinition> {
  const definition: Definition = { groups: new Map(), targets: new Map() };
  const seen = isOff(environment["BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP"]) ? environment : {};
  const composeFiles: SourceFile[] = [];
  const bodies: Body[] = [];
  for (const file of files) {
    if (isCompose(file)) composeFiles.push(file);
    else bodies.push(bodyOf(file));
  }
  if (composeFiles.length > 0) {
    const { readCompose } = await import("./compose/compose.ts");
    await readCompose(composeFiles, { environment: seen, variables }, definition);
  }
  const body = { attributes: bodies.flatMap((one) => one.attributes), blocks: bodies.flatMap((one) => one.blocks) };
  const lookup = (name: string): string | undefined => variables.get(name) ?? seen[name];
  const scope = new FileScope(body, { builtins, lookup, functions: standardFunctions(now) });
  return { definition, scope, ignored: readBlocks(body, scope, definition) };
}

function isOff(text = ""): boolean {
  return !/^(1|t|T|TRUE|true|True)$/.test(text);
}

/** By its name; a file of another name is what it reads as. */
function isCompose({ name, text }: SourceFile): boolean {
  if (/\.ya?ml$/i.test(name)) return true;
  if (/\.(json|hcl)$/i.test(name)) return false;
  return /^(?:services|name|version|x-[\w-]+)\s*:/m.test(text);
}

function bodyOf(file: SourceFile): Body {
  if (/\.json$/i.test(file.name)) return parseJsonBody(file, SCHEMA);
  if (/\.hcl$/i.test(file.name) || !/^\s*\{/.test(file.text)) return parseHcl(file);
  return parseJsonBody(file, SCHEMA);
}

/** `--var NAME=VALUE`. Throws `USAGE`. */
export function parseVariables(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals <= 0) throw new BuildError("USAGE", `--var: invalid variable "${text}", expected key=value`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
