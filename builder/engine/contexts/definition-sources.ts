// The sources of a graph that a client sent, opened by the inputs of the build.

import { BuildError } from "../../core/errors.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import type { DefinitionRequest } from "../../definition-request.ts";
import { convertDefinition } from "../../llb/convert.ts";
import type { SourceWorld } from "../../llb/sources.ts";
import type { BuildRequest } from "../../request.ts";
import type { InputLoader } from "./inputs.ts";

/** Names that people see of what has none. */
const RESULT_NAME = "result of another build";

/** What a graph's sources find. People see `prefix` and the client's word where a folder of its is named. */
export function sourcesOf(
  definition: DefinitionRequest,
  request: BuildRequest,
  inputs: InputLoader,
  prefix = "",
): SourceWorld {
  const folders = new Map<string, string>();
  return {
    image: async (name, of, isPulled) => await inputs.resolveImage(name, of, isPulled || request.pull),
    layoutImage: async ({ name, digest, store: storeName, session }, of) => {
      const spec = { kind: "client-image", digest, store: await definition.store(storeName, session) } as const;
      return await inputs.resolveGiven(spec, name, of);
    },
    result: async (id, of) => {
      const image = definition.result(id);
      if (image === undefined) throw new BuildError("USAGE", `the graph names a result that is not there ("${id}")`);
      return await inputs.resolveGiven({ kind: "location", location: { transport: "store", image } }, RESULT_NAME, of);
    },
    local: async (source) => {
      const key = JSON.stringify([source.name, source.session, source.sharedKeyHint]);
      let name = folders.get(key);
      if (name === undefined) {
        // The client's word, unless it has that for several.
        const word = prefix + source.name;
        const isTaken = [...folders.values()].includes(word);
        folders.set(key, (name = isTaken ? `${word} (${folders.size})` : word));
        inputs.addFolder(name, await definition.folder(source));
      }
      return name;
    },
  };
}

/** What a graph gives, as a context of that name. Throws `USAGE`, `UNSUPPORTED`, and what its sources throw. */
export async function contextOfDefinition(
  definition: DefinitionRequest,
  name: string,
  request: BuildRequest,
  inputs: InputLoader,
  signal: AbortSignal,
): Promise<NamedContext> {
  const { graph, abilities } = definition;
  const options = { platform: request.hostPlatform, allow: request.allow, abilities, noCache: false };
  const sources = sourcesOf(definition, request, inputs, `${name}: `);
  const result = await convertDefinition(graph, options, sources, signal);
  return result === undefined ? { kind: "scratch" } : { kind: "source", vertex: result, subdir: "" };
}
