// The main context: where its files and its Dockerfile come from. A folder of the client's
// is read as it lies there; everything else is a source op of the graph, as it is in BuildKit.

import { BuildError } from "../../core/errors.ts";
import type { NamedContext } from "../../dockerfile/convert/plan.ts";
import type { Unpack } from "../../request.ts";
import { existingDirectory } from "../../source/context.ts";
import { dockerfileElsewhere } from "./dockerfile-source.ts";
import { FolderContext } from "./folder-context.ts";
import { RemoteContext } from "./remote-context.ts";
import { gitVertex } from "./context-vertices.ts";
import { openStream, openUrl } from "./streamed-context.ts";
import type { ContextWorld, DockerfileSource, GivenContext, MainContext } from "./world.ts";
import { MAIN } from "./world.ts";

/** Opens the request's context. Throws `CONTEXT`, `INPUT_MISSING`, and what its source throws. */
export async function openMainContext(world: ContextWorld): Promise<MainContext> {
  const { context } = world.request;
  switch (context.kind) {
    case "directory":
      return new FolderContext(world, await existingDirectory(context.path));
    case "client": {
      const { ClientContext } = await import("./client-context.ts");
      return new ClientContext(world, context.folder, MAIN);
    }
    case "stream":
      return await unpacked(world, context, await openStream(world, context.open()));
    case "git":
      return await unpacked(world, context, new RemoteContext(world, gitVertex(context.url, world.request)));
    case "http":
      return await unpacked(world, context, await openUrl(world, context.url));
    case "location":
    case "definition":
      return new ElsewhereContext(world, context);
    case "image":
    case "client-image":
      throw new BuildError("USAGE", "an image cannot be the build context", { hint: "images are for --build-context" });
  }
}

/** A remote context as a folder of a client's, when that is asked for. */
async function unpacked(
  world: ContextWorld,
  { unpack }: { readonly unpack?: Unpack },
  opened: MainContext,
): Promise<MainContext> {
  if (unpack === undefined || !(opened instanceof RemoteContext)) return opened;
  const { UnpackedContext } = await import("./unpacked-context.ts");
  return new UnpackedContext(world, opened, unpack, MAIN);
}

/** Files that are given, with a Dockerfile that lies elsewhere. No ignore file counts in them. */
class ElsewhereContext implements MainContext {
  readonly #world: ContextWorld;
  readonly #spec: GivenContext;

  constructor(world: ContextWorld, spec: GivenContext) {
    this.#world = world;
    this.#spec = spec;
  }

  async dockerfile(): Promise<DockerfileSource> {
    const { dockerfile } = this.#world.request;
    const found = await dockerfileElsewhere(this.#world, dockerfile);
    if (found !== undefined) return found;
    throw new BuildError("USAGE", "a build context that is an image or a graph needs a Dockerfile of its own");
  }

  files(): Promise<NamedContext> {
    return this.#world.given(this.#spec, MAIN);
  }
}
