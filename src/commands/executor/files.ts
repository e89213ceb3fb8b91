// The small files by which other steps of a pipeline learn what a job made, and a pod what became of it.

import { accessSync, constants, existsSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";
import { failureText } from "../../progress/job-log.ts";
import { definedOnly } from "../build/request.ts";
import { writeWhole } from "../build/result.ts";

/** Kubernetes' default `terminationMessagePath`: it is there in a pod and nowhere else. */
const TERMINATION_LOG = "/dev/termination-log";
/** Kubernetes keeps so much of it. */
const LONGEST_MESSAGE_BYTES = 4096;
const PRIVATE_FOLDER = 0o700;
const IS_URL = /^https?:\/\//;

/** Throws `OUTPUT` where a file that the flags ask for could not be written: better before the build than after the push. */
export function checkResultFiles(args: Arguments): void {
  for (const name of ["digest-file", "image-name-with-digest-file", "image-name-tag-with-digest-file"]) {
    const path = textOf(args, name) ?? "";
    if (path === "" || IS_URL.test(path)) continue;
    const refuse = (why: string): BuildError => new BuildError("OUTPUT", `--${name}: cannot write "${path}": ${why}`);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw refuse("it is a folder");
    const isInPlace = path.startsWith("/dev/") && existsSync(path);
    let there = isInPlace ? path : resolve(dirname(path));
    while (!existsSync(there)) there = dirname(there);
    if (!isInPlace && !statSync(there).isDirectory()) throw refuse(`"${there}" is no folder`);
    try {
      accessSync(there, constants.W_OK);
    } catch {
      throw refuse(`"${there}" cannot be written to`);
    }
  }
}

/** Writes what the flags and BUILDER_OUTPUT ask for; everything is in its place by now. Throws `OUTPUT`. */
export async function writeResultFiles(
  args: Arguments,
  environment: Environment,
  destinations: readonly string[],
  digest: string,
  signal: AbortSignal,
): Promise<void> {
  const lines = (form: (name: string, tag: string) => string): string =>
    destinations
      .map((text) => {
        const { registry, repository, tag } = parseReference(text);
        return `${form(`${registry === "docker.io" ? "index.docker.io" : registry}/${repository}`, tag ?? "latest")}\n`;
      })
      .join("");
  const named = lines((name) => `${name}@${digest}`);
  const digestFile = textOf(args, "digest-file") ?? "";
  if (IS_URL.test(digestFile)) {
    const { putText } = await import("../../../builder/put-text.ts");
    await putText(new URL(digestFile), digest, definedOnly(environment), signal);
  } else await write(digestFile, digest);
  await write(textOf(args, "image-name-with-digest-file"), named);
  const tagged = lines((name, tag) => `${name}:${tag}@${digest}`);
  await write(textOf(args, "image-name-tag-with-digest-file"), tagged);
  const folder = environment["BUILDER_OUTPUT"];
  if (folder)
    await write(
      join(folder, "images"),
      lines((name, tag) => JSON.stringify({ name: `${name}:${tag}`, digest })),
    );
}

/** Leaves a job's last words where a pod's status shows them; elsewhere it does nothing. */
export async function tellPod(error: BuildError): Promise<void> {
  const text = Buffer.from(`${failureText(error)}\n`);
  await writeFile(TERMINATION_LOG, text.subarray(0, LONGEST_MESSAGE_BYTES), { flag: "r+" }).catch(() => undefined);
}

async function write(path: string | undefined, text: string): Promise<void> {
  if (path === undefined || path === "") return;
  // What the runtime has put there (/dev/termination-log) cannot be replaced, only written to.
  if (path.startsWith("/dev/") && existsSync(path)) return await writeFile(path, text);
  await mkdir(dirname(path), { recursive: true, mode: PRIVATE_FOLDER });
  await writeWhole(path, text);
}
