// containerd's hosts.toml: where the registries of one host are, in order (containerd, docs/hosts.md).

import { dirname, isAbsolute, join, posix } from "node:path";
import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import { checkHeader } from "./http-headers.ts";
import type { ClientPair, Place, Protocol, Reach, RegistrySetting, Scope, SettingSource } from "./registry-settings.ts";
import { canonicalHost } from "./registry-settings.ts";
import { checkShape, Texts } from "../files/shape.ts";
import { readToml } from "../files/toml-file.ts";

const Host = v.looseObject({
  capabilities: v.exactOptional(v.array(v.string())),
  ca: v.exactOptional(Texts),
  client: v.exactOptional(v.union([v.string(), v.array(v.union([v.string(), v.array(v.string())]))])),
  skip_verify: v.exactOptional(v.boolean()),
  header: v.exactOptional(v.record(v.string(), Texts)),
  override_path: v.exactOptional(v.boolean()),
});
type Host = v.InferOutput<typeof Host>;

const HostsFile = v.looseObject({
  ...Host.entries,
  server: v.exactOptional(v.string()),
  host: v.exactOptional(v.record(v.string(), Host)),
});

/** Reads a hosts.toml about the names of a scope. Undefined when there is none. Throws `CONFIG`. */
export async function readHostsToml(
  path: string,
  scope: Scope,
  owner: SettingSource["owner"],
): Promise<readonly RegistrySetting[] | undefined> {
  const written = await readToml(path);
  if (written === undefined) return undefined;
  const content = checkShape(HostsFile, written, `"${path}"`);
  const source: SettingSource = { family: "hosts.toml", owner, file: path, key: "" };
  const mirrors = Object.entries(content.host ?? {}).flatMap(([url, host]) => {
    const place = readHost(url, host, path);
    return place.serves === "nothing" ? [] : [place];
  });
  // Without a server the registry itself comes last, and what stands at the top is about it.
  const { server = "" } = content;
  if (server !== "") return [{ source, scope, mirrors, home: readHost(server, content, path), reach: {} }];
  return [{ source, scope, mirrors, serves: servesOf(content, path), reach: readReach(content, path) }];
}

function readHost(url: string, host: Host, path: string): Place {
  const text = url.includes("://") ? url : `https://${url}`;
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw new BuildError("CONFIG", `"${path}": "${withoutLogin(url)}" is not the URL of a registry`);
  if (parsed.username !== "" || parsed.password !== "")
    throw new BuildError("CONFIG", `"${path}": "${withoutLogin(url)}" has a login in it`, {
      hint: "put it into config.json (tsbuild login)",
    });
  return {
    host: canonicalHost(parsed.host),
    ...splitPath(parsed.pathname, host.override_path ?? false),
    scheme: parsed.protocol === "http:" ? "http" : "https",
    reach: readReach(host, path),
    serves: servesOf(host, path),
    sendsNamespace: true,
  };
}

function withoutLogin(url: string): string {
  return url.replace(/\/\/.*@/s, "//…@");
}

/**
 * The path before /v2/ and the one after it, which stands before the repository. With override_path there need be no /v2:
 * then repositories stand at the path itself.
 */
function splitPath(written: string, isWhole: boolean): Pick<Place, "base" | "path" | "api"> {
  const cleaned = posix.normalize(written).replace(/\/+$/, "");
  const path = isWhole || /(?:^|\/)v2$/.test(cleaned) ? cleaned : `${cleaned}/v2`;
  const parts = /^(.*?)\/v2(?:\/(.*))?$/.exec(path);
  if (parts === null) return { base: path, path: "", api: "" };
  const [, base = "", prefix = ""] = parts;
  return { base, path: prefix };
}

function servesOf({ capabilities = [] }: Host, path: string): Place["serves"] {
  if (capabilities.length === 0) return "all";
  const named = capabilities.map((name) => name.toLowerCase());
  const unknown = named.find((name) => !["pull", "resolve", "push"].includes(name));
  if (unknown !== undefined) throw new BuildError("CONFIG", `"${path}": "${unknown}" is no capability`);
  if (!named.includes("pull")) return "nothing";
  return named.includes("resolve") ? "all" : "digests";
}

function readReach(host: Host, path: string): Reach {
  const headers = Object.entries(host.header ?? {}).map(([name, values]) => [name, values.join(", ")] as const);
  for (const [name, value] of headers) checkHeader(name, value, `"${path}", header`);
  const absolute = (file: string): string => (isAbsolute(file) ? file : join(dirname(path), file));
  const protocol: Protocol | undefined =
    host.skip_verify === undefined ? undefined : host.skip_verify ? "unchecked" : "https";
  return {
    protocol,
    ca: host.ca?.map(absolute),
    client: host.client === undefined ? undefined : readClient(host.client, absolute, path),
    headers: headers.length === 0 ? undefined : Object.fromEntries(headers),
  };
}

/** One file with both parts, or pairs of files; the first one is shown to the server. */
function readClient(
  client: Exclude<Host["client"], undefined>,
  absolute: (file: string) => string,
  path: string,
): ClientPair | undefined {
  const [first] = typeof client === "string" ? [client] : client;
  if (first === undefined) return undefined;
  const [certificate, key, ...more] = typeof first === "string" ? [first, first] : first;
  if (certificate === undefined || key === undefined || more.length > 0)
    throw new BuildError("CONFIG", `"${path}": "client" is not a list of pairs of certificate and key`);
  return { certificate: absolute(certificate), key: absolute(key || certificate) };
}
