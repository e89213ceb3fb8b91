// The query of `POST /build`, in the words that BuildKit's clients have for the same.

import * as v from "valibot";
import { posix } from "node:path";
import { HttpError } from "../http/answer.ts";
import type { Exporter } from "../../api/proto/control.ts";
import { DOCKERS_OWN } from "../build/exporters.ts";
import { isSet, parsedJson } from "./filters.ts";

const Texts = v.nullable(v.record(v.string(), v.nullable(v.string())));
const List = v.nullable(v.array(v.string()));
const Ulimits = v.nullable(v.array(v.object({ Name: v.string(), Hard: v.number(), Soft: v.number() })));
const Outputs = v.nullable(v.array(v.object({ Type: v.string(), Attrs: v.nullish(v.record(v.string(), v.string())) })));

/** What a build is asked for. */
export interface AskedBuild {
  /** As a frontend's attributes. */
  readonly attrs: ReadonlyMap<string, string>;
  readonly exporters: readonly Exporter[];
  /** A git repository or a file by its URL, "client-session", or "" for the body. */
  readonly remote: string;
  /** Inside the context; "" for what is usual. */
  readonly dockerfile: string;
  readonly names: readonly string[];
  /** The client reads BuildKit's progress, not the old builder's text. */
  readonly isBuildKit: boolean;
  readonly isQuiet: boolean;
  readonly isSquashed: boolean;
  /** By which it can be cancelled; "" for none. */
  readonly id: string;
  /** Of the client's session; "" for none. */
  readonly session: string;
}

/** The number that a limit has as a word among a frontend's attributes. */
const LIMITS = ["memory", "memswap", "cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems"];

/** Reads a query. Throws `HttpError` 400. */
export function readBuildQuery(query: URLSearchParams): AskedBuild {
  const isBuildKit = query.get("version") === "2";
  const isolation = query.get("isolation") ?? "";
  if (isolation !== "" && isolation !== "default") throw new HttpError(400, `unsupported isolation: "${isolation}"`);
  if ((readJsonText(query, "securityopt", List) ?? []).length > 0)
    throw new HttpError(400, "security options are not supported on linux");
  const names = query.getAll("t").filter((name) => name !== "");
  // Nothing that a client says names a file of this machine.
  const dockerfile = posix.join("/", query.get("dockerfile") ?? "").slice(1);
  const attrs = new Map<string, string>();
  const put = (name: string, value: string): void => void (value === "" || attrs.set(name, value));
  put("filename", dockerfile);
  put("target", query.get("target") ?? "");
  put("platform", query.get("platform") ?? "");
  put("force-network-mode", networkOf(query.get("networkmode") ?? ""));
  put("shm-size", (query.get("shmsize") ?? "").replace(/^0$/, ""));
  put("cgroup-parent", query.get("cgroupparent") ?? "");
  put("add-hosts", query.getAll("extrahosts").flatMap(hostsIn).join(","));
  put("ulimit", (readJsonText(query, "ulimits", Ulimits) ?? []).map(ulimitText).join(","));
  for (const name of LIMITS) put(name, query.get(name) ?? "");
  if (isSet(query, "nocache")) attrs.set("no-cache", "");
  if (isSet(query, "pull")) attrs.set("image-resolve-mode", "pull");
  for (const [prefix, from] of [
    ["build-arg:", "buildargs"],
    ["label:", "labels"],
  ] as const)
    for (const [key, value] of Object.entries(readJsonText(query, from, Texts) ?? {}))
      if (value !== null) attrs.set(`${prefix}${key}`, value);
  // The old builder looks for these among the images that it has, and those are the cache here anyway.
  if (isBuildKit) put("cache-from", (readJsonText(query, "cachefrom", List) ?? []).join(","));
  return {
    attrs,
    exporters: exportersOf(query, names),
    remote: query.get("remote") ?? "",
    dockerfile,
    names,
    isBuildKit,
    isQuiet: isSet(query, "q"),
    isSquashed: isSet(query, "squash"),
    id: query.get("buildid") ?? "",
    session: query.get("session") ?? "",
  };
}

function exportersOf(query: URLSearchParams, names: readonly string[]): readonly Exporter[] {
  const asked = readJsonText(query, "outputs", Outputs) ?? [];
  if (asked.length === 0) return [{ type: DOCKERS_OWN, attrs: new Map([["name", names.join(",")]]) }];
  return asked.map(({ Type, Attrs }) => ({ type: Type, attrs: new Map(Object.entries(Attrs ?? {})) }));
}

function networkOf(mode: string): string {
  // A bridge is what a step has when nothing else is said.
  return mode === "default" || mode === "bridge" ? "" : mode;
}

/** Each by itself, or as a JSON list. */
function hostsIn(text: string): readonly string[] {
  if (!text.startsWith("[")) return [text];
  const read = v.safeParse(List, parsedJson(text, "extrahosts"));
  if (!read.success) throw new HttpError(400, "extrahosts is no list");
  return read.output ?? [];
}

function ulimitText({ Name, Soft, Hard }: { Name: string; Soft: number; Hard: number }): string {
  return `${Name}=${Soft}:${Hard}`;
}

function readJsonText<T>(query: URLSearchParams, name: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  const text = query.get(name) ?? "";
  if (text === "") return undefined;
  const read = v.safeParse(schema, parsedJson(text, name));
  if (!read.success) throw new HttpError(400, `${name} is not what it has to be: ${v.summarize(read.issues)}`);
  return read.output;
}
