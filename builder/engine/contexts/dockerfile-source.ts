// A Dockerfile is read as a step that people see; it may lie elsewhere than the context.

import { posix } from "node:path";
import { readFile } from "node:fs/promises";
import { digestOf } from "../../core/digest.ts";
import { BuildError } from "../../core/errors.ts";
import { untilAborted } from "../../core/until-aborted.ts";
import type { DockerfileSpec } from "../../request.ts";
import { redact } from "../../source/redact.ts";
import { told } from "../internal-steps.ts";
import { httpContextVertex } from "./context-vertices.ts";
import type { ContextWorld, DockerfileSource } from "./world.ts";

/** BuildKit's client takes no larger one by URL; from disk there is no bound. */
export const MOST_DOCKERFILE_BYTES = 16 << 20;

/** A Dockerfile that does not lie with the context: on standard input, at a URL, or with a client. */
export async function dockerfileElsewhere(
  world: ContextWorld,
  spec: DockerfileSpec,
): Promise<DockerfileSource | undefined> {
  switch (spec.kind) {
    case "path":
    case "default":
      return undefined;
    case "client":
      return await tellDockerfile(
        world,
        posix.basename(spec.path ?? "Dockerfile"),
        async () => {
          const { readClientDockerfile } = await import("./client-context.ts");
          return (world.clientDockerfile = await readClientDockerfile(spec.folder, spec.path));
        },
        `${spec.id ?? ""} ${spec.path ?? ""}`,
      );
    case "stream":
      return await tellDockerfile(world, "Dockerfile", async () => ({
        bytes: await collect(untilAborted(spec.open(), world.signal)),
        name: "Dockerfile",
      }));
    case "http": {
      const { op, digest } = httpContextVertex(spec.url, `[internal] load ${redact(spec.url)}`);
      if (op.kind !== "source" || op.source.type !== "http")
        throw new BuildError("INTERNAL", "a URL is no http source");
      const http = op.source;
      return await tellDockerfile(world, "Dockerfile", async () => {
        const { openHttpFile } = await import("../../source/http-file.ts");
        const { path } = await openHttpFile(http, world.trees.remoteOptions(digest), {
          maxBytes: MOST_DOCKERFILE_BYTES,
        });
        return { bytes: await readFile(path), name: "Dockerfile" };
      });
    }
  }
}

/** Reads it as a step. `from` tells it apart from others of that name: clients that build several at once show each step by its vertex. */
export async function tellDockerfile<T extends DockerfileSource>(
  { request }: ContextWorld,
  name: string,
  read: () => Promise<T>,
  from = "",
): Promise<T> {
  const step = `[internal] load build definition from ${name}`;
  const vertex = digestOf(step + from);
  return await told(
    request,
    step,
    async (report) => {
      const found = await read();
      report.progress("transferring dockerfile:", found.bytes.length, 0, true);
      return { ...found, vertex };
    },
    vertex,
  );
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MOST_DOCKERFILE_BYTES)
      throw new BuildError("USAGE", `the Dockerfile on standard input is larger than ${MOST_DOCKERFILE_BYTES} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
