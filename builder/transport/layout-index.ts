// The index.json of an OCI image layout, on disk or in an archive: the images it lists,
// their names, and the one that somebody means.

import type { Descriptor } from "../core/image/descriptor.ts";
import { BuildError } from "../core/errors.ts";
import { formatReference, parseReference } from "../core/image/reference.ts";
import type { ImageIndex } from "../image/index.ts";
import { parseDocument } from "../image/read.ts";
import type { NamedEntry } from "../store/names.ts";
import { CONTAINERD_NAME, REF_NAME } from "../store/names.ts";
import type { Selection } from "../core/image/image-location.ts";

/** Reads an index.json; `where` names it in errors. Throws `ARCHIVE_INVALID`. */
export function parseLayoutIndex(bytes: Uint8Array, where: string): ImageIndex {
  const document = parseDocument(bytes, where);
  if (document.kind !== "index") throw new BuildError("ARCHIVE_INVALID", `${where} is not an index`);
  return document.index;
}

/** The entry that a selection names: by its ref name, its full reference, or the end of it. Throws `INPUT_MISSING` and says what there is. */
export function chooseEntry(index: ImageIndex, { ref, index: place }: Selection, name: string): Descriptor {
  const { manifests } = index;
  if (place !== undefined) return manifests[place] ?? refusePlace(place, manifests.length, name);
  const named = (wanted: string): Descriptor | undefined =>
    manifests.findLast((entry) => namesIn(entry).includes(wanted));
  if (ref !== undefined) {
    const found =
      named(ref) ??
      named(fullName(ref)) ??
      manifests.findLast((entry) => namesIn(entry).some((one) => one.endsWith(`:${ref}`)));
    if (found !== undefined) return found;
    const known = namesToGive(manifests.filter((entry) => namesIn(entry).length > 0));
    throw new BuildError("INPUT_MISSING", `${name} has no image "${ref}"`, {
      hint:
        known.length === 0 ? "its images have no names: give none, or its place as @0" : `it has ${known.join(", ")}`,
    });
  }
  const digests = new Set(manifests.map((entry) => entry.digest));
  const [only] = manifests;
  if (only === undefined) throw new BuildError("INPUT_MISSING", `${name} holds no image`);
  const latest = digests.size === 1 ? only : named("latest");
  if (latest !== undefined) return latest;
  throw new BuildError("INPUT_MISSING", `${name} holds ${digests.size} images and none is called "latest"`, {
    hint: `name one: ${namesToGive(manifests).join(", ")}`,
  });
}

/** The error for a place in a list that is not that long. */
export function refusePlace(place: number, count: number, name: string): never {
  throw new BuildError("INPUT_MISSING", `${name}: there is no image @${place}: it holds ${count}`, {
    hint: count === 0 ? undefined : `places are @0 to @${count - 1}`,
  });
}

/** A name for each entry that means it alone: the short one where no other has it, its place where it has none. */
function namesToGive(entries: readonly Descriptor[]): readonly string[] {
  const holders = Map.groupBy(entries, (entry) => namesIn(entry)[0]);
  const given = entries.map((entry, place) => {
    const [short, full = short] = namesIn(entry);
    return (holders.get(short)?.length === 1 ? short : full) ?? `@${place}`;
  });
  return [...new Set(given)];
}

/** What an entry is called, the short name first. */
function namesIn({ annotations }: Descriptor): readonly string[] {
  return [annotations?.[REF_NAME], annotations?.[CONTAINERD_NAME]].filter((name) => name !== undefined);
}

/** An entry's full reference: as containerd and docker write it, or a ref name that is more than a tag. */
function referenceIn({ annotations }: Descriptor): string | undefined {
  const ref = annotations?.[REF_NAME];
  const found = annotations?.[CONTAINERD_NAME] ?? (ref !== undefined && /[/:@]/.test(ref) ? ref : undefined);
  if (found === undefined) return undefined;
  try {
    return formatReference(parseReference(found));
  } catch {
    return undefined; // a name of another tool's
  }
}

/** The images of an index.json, each once, with the full references that its entries give it. */
export function byDigest(
  entries: readonly Descriptor[],
): readonly { readonly descriptor: Descriptor; readonly names: readonly string[] }[] {
  const grouped = Map.groupBy(entries, ({ digest }) => digest);
  return [...grouped.values()].map((own) => ({
    descriptor: withoutNames(own[0] as Descriptor), // a group has one at least
    names: [...new Set(own.flatMap((entry) => referenceIn(entry) ?? []))],
  }));
}

/** An image name in its full form; what is none stays as it is. */
export function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}

/** A descriptor without the names that index.json put on it. */
export function withoutNames(descriptor: Descriptor): Descriptor {
  const { annotations, ...rest } = descriptor;
  if (annotations === undefined) return rest;
  const { [REF_NAME]: _ref, [CONTAINERD_NAME]: _full, ...others } = annotations;
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others };
}

/** How names become entries of an index.json. */
export type EntriesOf = (descriptor: Descriptor, names: readonly string[]) => readonly NamedEntry[];

/** Entries for full references, as docker save writes them: the tag as ref name, the whole name for containerd. */
export function referenceEntries(descriptor: Descriptor, names: readonly string[]): readonly NamedEntry[] {
  if (names.length === 0) return [{ descriptor }];
  return names.map((fullName) => ({ descriptor, fullName, refName: parseReference(fullName).tag ?? fullName }));
}

/** Entries for names as `oci:PATH:REF` gives them: verbatim, and for containerd where one is a whole reference. */
export function refEntries(descriptor: Descriptor, refs: readonly string[]): readonly NamedEntry[] {
  if (refs.length === 0) return [{ descriptor }];
  return refs.map((refName) => {
    const fullName = refName.includes("/")
      ? referenceIn({ ...descriptor, annotations: { [REF_NAME]: refName } })
      : undefined;
    return { descriptor, refName, ...(fullName === undefined ? {} : { fullName }) };
  });
}
