// The tags of a repository (distribution-spec, Listing Tags).

import * as v from "valibot";
import { BuildError } from "../../core/errors.ts";
import type { Reference } from "../../core/image/reference.ts";
import type { RegistryClient, RegistryOptions } from "./client.ts";
import { pagesOf } from "./pages.ts";
import { Repository } from "./repository.ts";

const PAGE_TAGS = 1000;
const TagsSchema = v.looseObject({ tags: v.nullish(v.array(v.string()), []) });

/** All tags, as the registry orders them. A mirror is not asked: it may know few of them. Throws `INPUT_MISSING` when there is no such repository. */
export async function listTags(
  reference: Pick<Reference, "registry" | "repository">,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const repository = new Repository(reference, options);
  try {
    const client = await repository.registry();
    const tags = new Set<string>();
    let isThere = false;
    for await (const { bytes } of pagesOf(client, `tags/list?n=${PAGE_TAGS}`, "the list of tags", signal)) {
      isThere = true;
      for (const tag of parse(bytes, client.describe("the list of tags"))) tags.add(tag);
    }
    if (!isThere)
      throw new BuildError("INPUT_MISSING", `there is no repository "${client.name}"`, { hint: "is the name right?" });
    return [...tags];
  } finally {
    repository.close();
  }
}

/** Whoever asks for a tag that is not there is shown so many that are. */
const SHOWN_TAGS = 5;

/** For people: which tags a repository has in the place of one that it lacks, those that begin alike first. */
export async function insteadOfTag(client: RegistryClient, tag: string, signal: AbortSignal): Promise<string> {
  const plain = "is the name right, and the tag?";
  try {
    for await (const { bytes } of pagesOf(client, `tags/list?n=${PAGE_TAGS}`, "the list of tags", signal, {
      once: true,
    })) {
      const tags = parse(bytes, client.describe("the list of tags"));
      if (tags.length === 0) return plain;
      const alike = (other: string): number => {
        const differs = [...other].findIndex((letter, place) => letter !== tag[place]);
        return differs < 0 ? other.length : differs;
      };
      const nearest = tags.toSorted((a, b) => alike(b) - alike(a) || (a < b ? -1 : 1)).slice(0, SHOWN_TAGS);
      const has = nearest.length === tags.length ? "has" : "has, among others,";
      return `the repository ${has} ${nearest.map((other) => JSON.stringify(other)).join(", ")}`;
    }
    return plain;
  } catch (error) {
    if (signal.aborted || !(error instanceof BuildError)) throw error;
    return plain; // the list is no more than a help
  }
}

function parse(bytes: Uint8Array, what: string): readonly string[] {
  try {
    return v.parse(TagsSchema, JSON.parse(Buffer.from(bytes).toString("utf8"))).tags;
  } catch (error) {
    throw new BuildError("REGISTRY", `${what} is not what the specification says`, {
      cause: error,
      hint: "is it a registry?",
    });
  }
}
