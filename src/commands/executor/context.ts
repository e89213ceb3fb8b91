// A job's build context by kaniko's schemes. Whatever it is, the ignore file in it counts, as in a folder.

import { createReadStream, realpathSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { ContextSpec } from "../../../builder/request.ts";
import type { Environment } from "../../config/environment.ts";
import type { OpenStdin } from "../build/contexts.ts";
import { definedOnly } from "../build/request.ts";
import { cloudContext, isCloudContext } from "./cloud-context.ts";
import type { GitOptions } from "./git-context.ts";
import { gitUrl } from "./git-context.ts";

/** `--context`, `--context-sub-path` and `--git`. */
export interface JobContext {
  readonly context: string;
  readonly subPath: string;
  readonly git: GitOptions | undefined;
}

const WORKSPACE = "/workspace/";

/** The context as the engine has it. Throws `USAGE`, `CONTEXT`, and `CONFIG` for settings of a cloud that cannot be used. */
export async function jobContext(
  job: JobContext,
  environment: Environment,
  openStdin: OpenStdin,
  signal: AbortSignal,
): Promise<ContextSpec> {
  const text = job.context === "" ? WORKSPACE : job.context;
  const unpack = { subPath: subPathOf(job.subPath) };
  const [, scheme = "", rest = ""] = /^([a-z0-9]+):\/\/(.*)$/s.exec(text) ?? [];
  if (job.git !== undefined && scheme !== "git")
    throw new BuildError("USAGE", `--git is for a git:// context, and "${text}" is none`);
  if (isCloudContext(text)) {
    const object = await cloudContext(text, environment);
    const { openCloudObject } = await import("../../../builder/cloud.ts");
    return { kind: "stream", open: () => openCloudObject(object, definedOnly(environment), signal), unpack };
  }
  switch (scheme) {
    case "":
      return folder(text, unpack.subPath);
    case "dir":
      return folder(rest, unpack.subPath);
    case "tar":
      return { kind: "stream", open: openTar(rest, openStdin), unpack };
    case "git":
      return { kind: "git", url: gitUrl(rest, job.git, environment), unpack };
    case "https":
    case "http":
      return { kind: "http", url: text, unpack };
  }
  throw new BuildError("USAGE", `unknown scheme "${scheme}" in --context`, {
    hint: "contexts are a folder, dir://, tar://, tar://stdin, git://, http://, https://, s3:// and gs://",
  });
}

function subPathOf(text: string): string {
  const path = join("/", text).slice(1).replace(/\/$/, "");
  if (path !== text.replace(/^(\.?\/)+/, "").replace(/\/+$/, "") && text !== "." && text !== "")
    throw new BuildError("USAGE", `--context-sub-path: "${text}" leads out of the context, or round about`);
  return path;
}

/** A link inside the context may not lead a job elsewhere. */
function folder(text: string, subPath: string): ContextSpec {
  const base = resolve(text === "" ? WORKSPACE : text);
  const path = join(base, subPath);
  try {
    const [realBase, real] = [realpathSync(base), realpathSync(path)];
    const inside = relative(realBase, real);
    if (inside === ".." || inside.startsWith(`..${sep}`))
      throw new BuildError("CONTEXT", `--context-sub-path: "${subPath}" leads out of the context`);
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw new BuildError("CONTEXT", `the build context "${path}" does not exist`, {
      cause: error,
      hint: "--context names it; without the flag it is /workspace/",
    });
  }
  return { kind: "directory", path };
}

function openTar(path: string, openStdin: OpenStdin): () => AsyncIterable<Uint8Array> {
  if (path === "stdin") return openStdin("the build context");
  const file = resolve(path);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true)
    throw new BuildError("CONTEXT", found === undefined ? `there is no archive "${file}"` : `"${file}" is no archive`);
  return () => createReadStream(file, { highWaterMark: 1 << 20 });
}
