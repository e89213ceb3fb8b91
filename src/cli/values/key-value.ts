// `--build-arg`, `--label` and `-e`: K=V, where a bare K means different things.

import { BuildError } from "../../../builder/core/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `K=V` pairs; a bare K copies the environment's value and stays unset where there is none (docker's rule). */
export function parseAssignments(
  values: readonly string[],
  flag: string,
  environment: Environment,
): Map<string, string> {
  const result = new Map<string, string>();
  for (const text of values) {
    const { key, value } = split(text, flag);
    const given = value ?? environment[key];
    if (given !== undefined) result.set(key, given);
  }
  return result;
}

/** The same, where a bare K that the environment lacks is to be taken away (docker run's rule). */
export function parseSettings(
  values: readonly string[],
  flag: string,
  environment: Environment,
): Map<string, string | undefined> {
  return new Map(
    values.map((text) => {
      const { key, value } = split(text, flag);
      return [key, value ?? environment[key]];
    }),
  );
}

/** Labels: a bare K is an empty one. */
export function parseLabels(values: readonly string[], flag: string): Map<string, string> {
  const result = new Map<string, string>();
  for (const text of values) {
    const { key, value } = split(text, flag);
    result.set(key, value ?? "");
  }
  return result;
}

function split(text: string, flag: string): { key: string; value: string | undefined } {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  if (key.trim() === "") throw new BuildError("USAGE", `${flag}: "${text}" has no name before "="`);
  return { key, value: equals < 0 ? undefined : text.slice(equals + 1) };
}
