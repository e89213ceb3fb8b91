// From a definition in BuildKit's low-level form to our graph: the same vocabulary, but that a vertex of ours has one
// result, and says so in its op.

import type { SourceLocation } from "../core/errors.ts";
import { withLocation } from "../core/errors.ts";
import type { Platform } from "../core/image/platform.ts";
import { normalizePlatform } from "../core/image/platform.ts";
import type { VertexOptions } from "../graph/vertex.ts";
import { vertex } from "../graph/vertex.ts";
import { execOutputs } from "./exec.ts";
import type { LlbDefinition, LlbPlatform } from "./definition.ts";
import { fileOutputs } from "./file.ts";
import { nameOf } from "./names.ts";
import type { NamedOp } from "./order.ts";
import { invalid, orderDefinition } from "./order.ts";
import type { Output, Outputs } from "./outputs.ts";
import { OpInputs, VertexInputs } from "./outputs.ts";
import type { SourceWorld } from "./sources.ts";
import { sourceOutput } from "./sources.ts";

/** What a definition is read with. */
export interface LlbOptions {
  /** Of ops that name none. */
  readonly platform: Platform;
  /** Entitlements that were granted. */
  readonly allow: readonly string[];
  /** What ops may need (BuildKit, solver/pb/caps.go). */
  readonly abilities: ReadonlySet<string>;
  readonly noCache: boolean;
}

/** The vertex that a definition stands for; undefined for no files. Throws `USAGE`, `UNSUPPORTED`, and what its sources throw. */
export async function convertDefinition(
  definition: LlbDefinition,
  options: LlbOptions,
  world: SourceWorld,
  signal: AbortSignal,
): Promise<Output> {
  const { ops, result } = orderDefinition(definition, options.abilities);
  const outputs = new Map<string, Outputs>();
  const names = new Map<string, string>();
  const places = new Places(definition.source);
  for (const op of ops) {
    signal.throwIfAborted();
    const name = nameOf(
      op,
      op.op.inputs.map(({ digest }) => names.get(digest) ?? ""),
    );
    names.set(op.digest, name);
    const location = places.of(op.digest);
    const ignoreCache = options.noCache || op.metadata?.ignoreCache === true;
    const made: VertexOptions = {
      name,
      ...(location === undefined ? {} : { location }),
      ...(ignoreCache ? { ignoreCache } : {}),
    };
    try {
      outputs.set(op.digest, await outputsOf(op, new OpInputs(op.op.inputs, outputs), made, options, world));
    } catch (error) {
      throw location === undefined ? error : withLocation(error, location);
    }
  }
  const found = outputs.get(result.digest);
  if (found?.has(result.index) !== true) throw invalid(`${result.digest} has no output ${result.index}`);
  return found.get(result.index);
}

async function outputsOf(
  { op }: NamedOp,
  inputs: OpInputs,
  made: VertexOptions,
  options: LlbOptions,
  world: SourceWorld,
): Promise<Outputs> {
  const platform = platformOf(op.platform) ?? options.platform;
  if (op.source !== undefined) return new Map([[0, await sourceOutput(op.source, platform, made, world)]]);
  if (op.exec !== undefined) return execOutputs(op.exec, inputs, made, { platform, allow: options.allow });
  if (op.file !== undefined) return fileOutputs(op.file, inputs, made);
  if (op.merge !== undefined) {
    // The same one may be there twice.
    const merged = op.merge.inputs.flatMap(({ input }) => inputs.at(input) ?? []);
    return new Map([[0, merged.length === 0 ? undefined : vertex({ kind: "merge" }, merged, made)]]);
  }
  return new Map([[0, differenceOf(op.diff, inputs, made)]]);
}

function differenceOf(diff: NamedOp["op"]["diff"], inputs: OpInputs, made: VertexOptions): Output {
  if (diff?.lower === undefined || diff.upper === undefined) throw invalid("a diff op has one side");
  const [lower, upper] = [inputs.at(diff.lower.input), inputs.at(diff.upper.input)];
  if (lower === undefined) return upper;
  const both = new VertexInputs();
  both.add(lower);
  const number = both.add(upper ?? vertex({ kind: "merge" }, [], { name: "scratch" }));
  // Nothing is different of itself.
  return number === 0 ? undefined : vertex({ kind: "diff" }, both.list, made);
}

function platformOf(platform: LlbPlatform | undefined): Platform | undefined {
  if (platform === undefined || platform.os === "" || platform.architecture === "") return undefined;
  const { os, architecture, variant, osVersion } = platform;
  return normalizePlatform({
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
  });
}

/** Where the sender says that ops are written. */
class Places {
  readonly #source: LlbDefinition["source"];
  readonly #texts = new Map<number, string>();

  constructor(source: LlbDefinition["source"]) {
    this.#source = source;
  }

  of(digest: string): SourceLocation | undefined {
    const [place] = this.#source?.locations.get(digest)?.locations ?? [];
    const info = place && this.#source?.infos[place.sourceIndex];
    if (place === undefined || info === undefined) return undefined;
    let [startLine, endLine] = [Number.MAX_SAFE_INTEGER, 0];
    for (const { start, end } of place.ranges)
      for (const { line } of [start ?? NOWHERE, end ?? NOWHERE])
        if (line > 0) [startLine, endLine] = [Math.min(startLine, line), Math.max(endLine, line)];
    if (endLine === 0) return undefined;
    const text = this.#texts.get(place.sourceIndex) ?? Buffer.from(info.data).toString("utf8");
    this.#texts.set(place.sourceIndex, text);
    return { file: info.filename, range: { startLine, endLine }, text };
  }
}

const NOWHERE = { line: 0 };
