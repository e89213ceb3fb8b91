// `POST /images/create`: an image of a registry, or all tags of a repository, with the client's login.

import { hostPlatform } from "../../../builder/core/image/platform.ts";
import type { Reference } from "../../../builder/core/image/reference.ts";
import { familiarReference, formatReference } from "../../../builder/core/image/reference.ts";
import { pull } from "../../../builder/pull.ts";
import { listTags } from "../../../builder/registry.ts";
import { HttpError } from "../http/answer.ts";
import type { HttpHandler } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import type { EngineEvents } from "./events.ts";
import { otherThanStored, platformOf } from "./images.ts";
import type { TransferWords } from "./message-stream.ts";
import { transferEvents, underStream } from "./message-stream.ts";
import { isMissing } from "./not-there.ts";
import { registryLogin } from "./registry-auth.ts";
import { accessOf, taggedReference, transferOf } from "./transfer-request.ts";

const PULLING: TransferWords = { verb: "Downloading", done: "Download complete", wasThere: "Already exists" };

/** Answers with the progress; throws `HttpError` 404 for what the registry has not. */
export function pullHandler(settings: DaemonSettings, told: EngineEvents): HttpHandler {
  return (request, response) =>
    underStream(response, async (stream) => {
      const { query, headers, signal } = request;
      if (query.has("fromSrc"))
        throw new HttpError(501, "tsbuild does not make images of file systems: use a Dockerfile with ADD");
      const { reference, isTagged } = taggedReference(query.get("fromImage") ?? "", query.get("tag") ?? "");
      const access = accessOf(settings, registryLogin(headers, reference.registry));
      const asked = platformOf(query);
      const { registry, repository } = reference;
      const name = `${registry}/${repository}`;
      const tags = isTagged ? [] : await found(() => listTags(access, name, signal), `repository ${short(reference)}`);
      const references = isTagged ? [reference] : tags.map((tag) => ({ registry, repository, tag }));
      let isNewer = false;
      for (const one of references) {
        let hasBegun = false;
        const begin = (): void => {
          if (!hasBegun) stream.send({ status: `Pulling from ${repository}`, id: one.tag ?? formatReference(one) });
          hasBegun = true;
        };
        const progress = transferEvents(stream, PULLING);
        // Before the first layer comes it may turn out that there is no such image: that has a status of its own.
        const transfer = transferOf(settings, (event) => {
          if (event.kind === "status") begin();
          progress(event);
        });
        const wanted = { reference: one, access, platform: asked ?? hostPlatform(), allPlatforms: false };
        const { before, top } = await found(
          () => pull({ ...transfer, ...wanted }, signal),
          `manifest for ${familiarReference(one)}`,
        );
        begin();
        stream.send({ status: `Digest: ${top.digest}` });
        isNewer ||= before !== top.digest;
        told.moved("pull", [formatReference(one)]);
        // What has one platform is pulled whatever was asked for.
        const other = await otherThanStored(settings, formatReference(one), asked, signal);
        if (other !== undefined) stream.send({ status: `WARNING: ${other}` });
      }
      const what = isNewer ? "Downloaded newer image for" : "Image is up to date for";
      stream.send({ status: `Status: ${what} ${isTagged ? familiarReference(reference) : short(reference)}` });
    });
}

async function found<T>(ask: () => Promise<T>, what: string): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isMissing(error)) throw error;
    const reason = what.startsWith("repository")
      ? "name unknown: repository name not known to registry"
      : "manifest unknown: manifest unknown";
    throw new HttpError(404, `${what} not found: ${reason}`);
  }
}

/** The repository alone. */
function short({ registry, repository }: Reference): string {
  return familiarReference({ registry, repository });
}
