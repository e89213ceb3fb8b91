// The targets of a bake as requests to the engine.

import type { Digest } from "../../../builder/core/digest.ts";
import { digestOf } from "../../../builder/core/digest.ts";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import type { EventSink } from "../../../builder/core/events.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import type { BuildRequest } from "../../../builder/request.ts";
import type { Selection } from "../../bake/resolve.ts";
import type { Target } from "../../bake/target.ts";
import type { LinkPath } from "../../bake/words.ts";
import { linksOf, wordsOf } from "../../bake/words.ts";
import { BUILD_FLAGS } from "../../cli/flags/build-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf, parseArguments } from "../../cli/flags.ts";
import { readOutputs } from "../build/outputs.ts";
import { readRequest } from "../build/request.ts";
import type { CommandContext } from "../command.ts";
import { rootOf } from "../command.ts";

/** One target that is to be built. */
export interface TargetBuild {
  readonly name: string;
  readonly target: Target;
  readonly request: BuildRequest;
  readonly usesStdout: boolean;
}

interface Reading {
  readonly context: CommandContext;
  readonly args: Arguments;
  readonly selection: Selection;
  /** Where a target leaves what others are built on. */
  readonly linkPath: LinkPath;
  readonly events: EventSink;
}

/** The requests of all targets. Throws `USAGE` and the like. */
export async function readBuilds({
  context,
  args,
  selection,
  linkPath,
  events,
}: Reading): Promise<readonly TargetBuild[]> {
  const { targets } = selection;
  const wanted = new Set([...targets.values()].flatMap(linksOf));
  const root = rootOf(context, args);
  const allowed = listOf(args, "allow")
    .flatMap((text) => text.split(","))
    .includes("buildx.local.delete");
  const builds: TargetBuild[] = [];
  for (const [name, target] of targets) {
    const words = wordsOf(name, target, linkPath);
    const flags = parseArguments(BUILD_FLAGS, [...words.flags, ...(allowed ? ["--allow=buildx.local.delete"] : [])]);
    const outputs = await named(name, () =>
      readOutputs(flags, { isTerminal: process.stdout.isTTY, write: context.print }),
    );
    const request = await named(name, () =>
      readRequest({
        args: flags,
        context: words.context,
        root,
        outputs,
        environment: context.environment,
        openStdin: () => {
          throw new BuildError("USAGE", "standard input is no input of a target");
        },
        events: targets.size > 1 ? prefixed(name, events) : events,
      }),
    );
    builds.push({
      name,
      target,
      usesStdout: outputs.usesStdout,
      request: completed(request, target, wanted.has(name) ? linkPath(name) : undefined),
    });
  }
  return builds;
}

/** What flags have no word for: a Dockerfile in the definition, and the place where other targets look. */
function completed(request: BuildRequest, target: Target, link: string | undefined): BuildRequest {
  const inline = target["dockerfile-inline"];
  const dockerfile: Partial<BuildRequest> =
    inline === undefined ? {} : { dockerfile: { kind: "stream", open: () => bytesOf(inline) } };
  if (link === undefined) return { ...request, ...dockerfile };
  const image = {
    names: [],
    mediaTypes: "oci",
    compression: "gzip",
    forceCompression: false,
    annotations: [],
  } as const;
  const output = { type: "oci", image, destination: { kind: "directory", path: link } } as const;
  const outputs = request.exports.filter(({ type }) => type !== "cacheonly");
  return { ...request, ...dockerfile, exports: [...outputs, output] };
}

async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

/** Steps say whose they are: "[app 2/5] RUN make". What each target does by itself is not one step of several. */
function prefixed(target: string, sink: EventSink): EventSink {
  const own = new Map<Digest, Digest>();
  const known = (digest: Digest): Digest => own.get(digest) ?? digest;
  return (event) => {
    if (event.kind !== "vertex") {
      sink(event.vertex === undefined ? event : { ...event, vertex: known(event.vertex) });
      return;
    }
    const { vertex, name, inputs } = event;
    if (/^(?:exporting |\[internal\] )/.test(name) && !own.has(vertex))
      own.set(vertex, digestOf(`${target} ${vertex}`));
    const shown = name.startsWith("[") ? `[${target} ${name.slice(1)}` : `[${target}] ${name}`;
    sink({ ...event, vertex: known(vertex), inputs: inputs.map(known), name: shown });
  };
}

/** An error says which target it is of. */
export async function named<T>(name: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (name === undefined || error instanceof NamespaceNeeded) throw error;
    const { code, message, hint, exitCode, others, location } = asBuildError(error);
    if (code === "CANCELLED") throw error;
    throw new BuildError(code, `target ${name}: ${message}`, { cause: error, hint, exitCode, others, location });
  }
}
