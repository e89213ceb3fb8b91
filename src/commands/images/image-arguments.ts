// What the commands that look at images share: IMAGE, --platform, and how registries are reached for it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Platform } from "../../../builder/core/image/platform.ts";
import { parsePlatform } from "../../../builder/core/image/platform.ts";
import { locationInName } from "../../../builder/core/image/image-location.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { ImagePlaces, OpenedImage, PlatformImage } from "../../../builder/open-image.ts";
import { daemonOf, registryOptions } from "../../../builder/registry-options.ts";
import type { Arguments } from "../../cli/flags.ts";
import { textOf } from "../../cli/flags.ts";
import { localRegistries } from "../../config/registries.ts";
import type { CommandContext } from "../command.ts";
import { refuseHost, rootOf } from "../command.ts";
import { lookAccess } from "../transfer/side-access.ts";

/** Where images are looked for; `names` are those that the command is about. */
export async function placesOf(
  context: CommandContext,
  args: Arguments,
  names: readonly string[],
): Promise<ImagePlaces> {
  for (const name of names)
    if ((locationInName(name)?.transport ?? "store") === "store") refuseHost(context, args, `"${name}"`);
  const access = await lookAccess(context, args, names.flatMap(registryOf));
  return {
    root: rootOf(context, args),
    registry: registryOptions(access),
    expandName: localRegistries(context.environment, []).expandName,
    daemon: () => daemonOf(access),
  };
}

/** The registry of a name in one. */
function registryOf(text: string): readonly string[] {
  return text.startsWith("docker://") ? [parseReference(text.slice("docker://".length)).registry] : [];
}

/** `--platform`; undefined when it was not given. */
export function platformArgument(args: Arguments): Platform | undefined {
  const text = textOf(args, "platform");
  return text === undefined || text === "" ? undefined : parsePlatform(text);
}

/** Opens an image for as long as `use` runs. */
export async function withImage<T>(
  context: CommandContext,
  args: Arguments,
  name: string,
  use: (opened: OpenedImage, places: ImagePlaces) => Promise<T>,
): Promise<T> {
  const { openImage } = await import("../../../builder/open-image.ts");
  const places = await placesOf(context, args, [name]);
  await using opened = await openImage(name, places, context.signal);
  return await use(opened, places);
}

/** The same for the image of a platform. */
export async function withPlatformImage<T>(
  context: CommandContext,
  args: Arguments,
  name: string,
  use: (image: PlatformImage, places: ImagePlaces) => Promise<T>,
): Promise<T> {
  const { imageFor } = await import("../../../builder/open-image.ts");
  return await withImage(context, args, name, async (opened, places) =>
    use(await imageFor(opened, platformArgument(args), context.signal), places),
  );
}

/**
 * `IMAGE:/path`: the path begins at the first ":/" that is not the end of a place's name, as in `oci:/layout:/etc`. Without a path
 * it is the image's root.
 */
export function splitImagePath(text: string): { readonly image: string; readonly path: string } {
  const place =
    /^(?:docker:\/\/|(?:oci|oci-archive|docker-archive|docker-daemon|dir|store|oci-layout):(?:\/\/)?)/.exec(
      text,
    )?.[0] ?? "";
  const colon = text.indexOf(":/", place.length);
  if (colon < 0) return { image: text, path: "/" };
  return { image: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** At least one positional. Throws `USAGE`. */
export function atLeastOne(args: Arguments, command: string, what: string): readonly string[] {
  if (args.positionals.length > 0) return args.positionals;
  throw new BuildError("USAGE", `"tsbuild ${command}" requires at least 1 argument (${what})`, {
    hint: `See 'tsbuild ${command} --help'.`,
  });
}
