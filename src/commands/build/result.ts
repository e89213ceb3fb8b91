// What a build leaves for scripts: the id file, the metadata file, the lines on standard output.

import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import { formatPlatform } from "../../../builder/core/image/platform.ts";
import type { BuildResult } from "../../../builder/request.ts";

/** The id by which docker names an image: its config's digest; of several platforms the index's. */
export function imageIdOf(result: BuildResult): string | undefined {
  return result.images.length === 1 ? result.images[0]?.imageId : result.digest;
}

/** The metadata file of a build that went well, with buildx's keys. `warnings` are listed if there are any. */
export function metadata(result: BuildResult, warnings: readonly object[]): object {
  const [only] = result.images.length === 1 ? result.images : [];
  return {
    ...provenanceFields(result),
    ...(only === undefined ? {} : { "containerimage.config.digest": only.imageId }),
    ...(result.descriptor === undefined ? {} : { "containerimage.descriptor": result.descriptor }),
    ...(result.digest === undefined ? {} : { "containerimage.digest": result.digest }),
    ...(result.names.length === 0 ? {} : { "image.name": result.names.join(",") }),
    ...(warnings.length === 0 ? {} : { "buildx.build.warnings": warnings }),
  };
}

/** One provenance stands alone, several with their platforms, as buildx has them. */
function provenanceFields({ provenance = new Map() }: BuildResult): Record<string, unknown> {
  const key = "buildx.build.provenance";
  return Object.fromEntries(
    [...provenance].map(([platform, predicate]) => [provenance.size === 1 ? key : `${key}/${platform}`, predicate]),
  );
}

/** The metadata file of a build that failed: exit codes are few, and a RUN may end with any of them. */
export function failureMetadata({ code, message, exitCode }: BuildError): object {
  return { "tsbuild.error": { code, message, ...(exitCode === undefined ? {} : { exitCode }) } };
}

/** The lines that end an ordinary build. */
export function resultLines(result: BuildResult): string {
  if (result.digest === undefined) return "";
  const several = result.images.length > 1;
  const ids = result.images.map(
    ({ platform, imageId }) => `image id ${imageId}${several ? ` (${formatPlatform(platform)})` : ""}\n`,
  );
  return `${ids.join("")}digest   ${result.digest}\n`;
}

/** Writes a file so that readers see all of it or the old one. Devices and pipes are written in place. */
export async function writeWhole(path: string, text: string | AsyncIterable<string>): Promise<void> {
  const target = resolve(path);
  try {
    const found = await stat(target).catch(() => undefined);
    if (found !== undefined && !found.isFile()) return await writeFile(target, text);
    await mkdir(dirname(target), { recursive: true });
    const temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await using file = await open(temporary, "wx", 0o644);
      await file.writeFile(text);
      await file.sync();
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      // A file that is mounted by itself, as containers have them, cannot be replaced.
      if (!isErrno(error, "EBUSY")) throw error;
      await writeFile(target, text);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BuildError("OUTPUT", `cannot write "${path}"`, { cause: error, hint: why });
  }
}
