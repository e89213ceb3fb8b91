// The keys of a repository's entries in GitHub's cache service, as its REST API lists them
// (docs.github.com/rest/actions/cache).

import * as v from "valibot";
import type { HttpClient } from "../registry/http/http.ts";
import { jsonAnswer } from "./answers.ts";

/** A repository, and what lets its entries be listed. */
export interface ActionsRepository {
  /** "https://api.github.com". */
  readonly api: string;
  /** "owner/name". */
  readonly name: string;
  /** Of the REST API, not of the job. */
  readonly token: string;
}

const PAGE = 100;
const ListSchema = v.object({ total_count: v.number(), actions_caches: v.array(v.object({ key: v.string() })) });

/** The keys that begin with a prefix, of one branch. Throws `REGISTRY`. */
export async function listActionsKeys(
  { api, name, token }: ActionsRepository,
  prefix: string,
  ref: string,
  http: HttpClient,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const keys: string[] = [];
  const headers = {
    accept: "application/vnd.github+json",
    authorization: `Bearer ${token}`,
    "x-github-api-version": "2022-11-28",
  };
  const what = `cannot list the caches of ${name}`;
  for (let page = 1; ; page++) {
    const query = new URLSearchParams({ per_page: String(PAGE), page: String(page), key: prefix, ref });
    const url = new URL(`${api.replace(/\/+$/, "")}/repos/${name}/actions/caches?${query.toString()}`);
    const answer = await jsonAnswer(http, { method: "GET", url, headers }, ListSchema, what, signal);
    keys.push(...answer.actions_caches.map(({ key }) => key));
    if (answer.total_count <= page * PAGE || answer.actions_caches.length === 0) return keys;
  }
}
