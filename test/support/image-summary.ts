// What an OCI image says of itself, as lines that a script test can match or compare: annotations and config of each
// platform, and the media types of its layers. Read without the engine; digests and sizes are checked on the way.

import * as v from "valibot";

import { listManifests, type Manifest, openLayout, readConfig } from "../conformance/oci-layout.ts";

const strings = v.optional(v.nullable(v.array(v.string())));
const keys = v.optional(v.nullable(v.record(v.string(), v.unknown())));
const RunConfig = v.object({
  User: v.optional(v.string()),
  Env: strings,
  Labels: v.optional(v.nullable(v.record(v.string(), v.string()))),
  Entrypoint: strings,
  Cmd: strings,
  ExposedPorts: keys,
  Volumes: keys,
  WorkingDir: v.optional(v.string()),
  StopSignal: v.optional(v.string()),
});
const Index = v.object({ annotations: v.optional(v.record(v.string(), v.string()), {}) });
const TopIndex = v.object({
  manifests: v.array(v.object({ mediaType: v.string(), digest: v.string(), size: v.number() })),
});

/** `linux/amd64` and what is set there, for each image; before it the annotations of an index, if there is one. */
export function formatConfig(source: string): string {
  const layout = openLayout(source);
  const lines: string[] = [];
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") lines.push(`  ${key} ${value}`);
  };
  for (const top of v.parse(TopIndex, JSON.parse(layout.read("index.json").toString())).manifests) {
    if (!/index|list/.test(top.mediaType)) continue;
    lines.push("index");
    const index = v.parse(Index, JSON.parse(layout.read(`blobs/${top.digest.replace(":", "/")}`).toString()));
    for (const [key, value] of sorted(index.annotations)) add("annotation", `${key}=${value}`);
  }
  for (const manifest of listManifests(layout)) {
    const image = readConfig(layout, manifest);
    const config = v.parse(RunConfig, image.config);
    lines.push([image.os, image.architecture, image.variant].filter(Boolean).join("/"));
    for (const [key, value] of sorted(manifest.annotations)) add("annotation", `${key}=${value}`);
    add("created", image.created ?? undefined);
    add("user", config.User);
    for (const variable of config.Env ?? []) add("env", variable);
    for (const [key, value] of sorted(config.Labels ?? {})) add("label", `${key}=${value}`);
    add("entrypoint", config.Entrypoint?.join(" "));
    add("cmd", config.Cmd?.join(" "));
    for (const port of Object.keys(config.ExposedPorts ?? {})) add("port", port);
    for (const volume of Object.keys(config.Volumes ?? {})) add("volume", volume);
    add("workdir", config.WorkingDir);
    add("stop", config.StopSignal);
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** The media type of each layer of the images, a line each. */
export function formatLayerTypes(source: string): string {
  const types = (manifest: Manifest): string => manifest.layers.map(({ mediaType }) => `${mediaType}\n`).join("");
  return listManifests(openLayout(source)).map(types).join("");
}

function sorted(map: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
