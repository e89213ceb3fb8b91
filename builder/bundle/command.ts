// What an image's config and a person's wishes make of a process.

import { posix } from "node:path";
import { BuildError } from "../core/errors.ts";
import type { RuntimeConfig } from "../core/image/image-config.ts";

/** What the person says; undefined is the image's. */
export interface CommandWishes {
  readonly command: readonly string[] | undefined;
  /** Drops the image's command as well. */
  readonly entrypoint: readonly string[] | undefined;
  /** Over the image's; undefined takes a variable away. */
  readonly env: ReadonlyMap<string, string | undefined>;
  /** Absolute. */
  readonly workdir: string | undefined;
  /** Variables below the image's. */
  readonly defaults: ReadonlyMap<string, string>;
}

export interface ImageCommand {
  readonly args: readonly string[];
  /** `K=V`. */
  readonly env: readonly string[];
  readonly cwd: string;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Entrypoint and command as docker joins them. Throws `USAGE` when there is nothing to run. */
export function imageCommand(config: RuntimeConfig, wishes: CommandWishes): ImageCommand {
  const entrypoint = wishes.entrypoint ?? config.Entrypoint ?? [];
  const command = wishes.command ?? (wishes.entrypoint === undefined ? (config.Cmd ?? []) : []);
  const args = [...entrypoint, ...command];
  if (args.length === 0)
    throw new BuildError("USAGE", "the image has no command", { hint: "name one after the image" });
  const env = new Map([["PATH", DEFAULT_PATH], ...wishes.defaults]);
  for (const pair of config.Env ?? []) env.set(pair.replace(/=.*$/s, ""), pair.replace(/^[^=]*=?/, ""));
  for (const [key, value] of wishes.env) {
    if (value === undefined) env.delete(key);
    else env.set(key, value);
  }
  return {
    args,
    env: [...env].map(([key, value]) => `${key}=${value}`),
    cwd: wishes.workdir ?? posix.resolve("/", config.WorkingDir ?? ""),
  };
}
