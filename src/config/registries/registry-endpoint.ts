// One place as the client reaches it: origins, certificates and headers, each from the first setting that says
// something about it.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { BuildError } from "../../../builder/core/errors.ts";
import type { EndpointTls, RegistryEndpoint } from "../../../builder/transport/registry/endpoints.ts";
import { isLoopback } from "../../../builder/transport/registry/http/connections.ts";
import type { ClientPair, Place, Reach, RegistrySetting, SettingSource } from "./registry-settings.ts";
import { describeSource } from "./registry-settings.ts";
import { readText } from "../files/text-file.ts";

/** A place, and what decided how it is reached. */
export interface RoutedEndpoint {
  readonly endpoint: RegistryEndpoint;
  /** "protocol: /etc/docker/daemon.json, insecure-registries". */
  readonly because: readonly string[];
}

export interface EndpointContext {
  readonly isMirror: boolean;
  /** The registry that is asked for, of which this may be a mirror. */
  readonly of: string;
  /** About the place, the one that counts most first. */
  readonly settings: readonly RegistrySetting[];
  /** What named the place; undefined for a registry as it is. */
  readonly namedBy: SettingSource | undefined;
}

/** Reads the certificates that the place needs. Throws `CONFIG` naming the file. */
export async function makeEndpoint(place: Place, context: EndpointContext): Promise<RoutedEndpoint> {
  const said = [
    ...(context.namedBy === undefined ? [] : [{ source: context.namedBy, reach: place.reach }]),
    ...context.settings,
  ];
  const because: string[] = [];
  const first = <Key extends keyof Reach>(key: Key, word: string): Reach[Key] => {
    const found = said.find(({ reach }) => reach[key] !== undefined);
    if (found !== undefined) because.push(`${word}: ${describeSource(found.source)}`);
    return found?.reach[key];
  };
  const ca = first("ca", "certificate authorities");
  const client = first("client", "client certificate");
  const way = chooseWay(place, { protocol: first("protocol", "protocol"), ca, client });
  const headers: Record<string, string> = {};
  for (const { reach, source } of said.toReversed()) {
    for (const name of Object.keys(reach.headers ?? {})) because.push(`header ${name}: ${describeSource(source)}`);
    Object.assign(headers, reach.headers);
  }
  const tls: EndpointTls = {
    ...(ca === undefined ? {} : { ca: await Promise.all(ca.map(readAuthority)) }),
    ...(client === undefined ? {} : await readPair(client)),
    isUnchecked: way.isUnchecked,
  };
  const host = place.host === "docker.io" ? "registry-1.docker.io" : place.host;
  const endpoint: RegistryEndpoint = {
    registry: place.host,
    repository: place.path,
    origins: way.schemes.map((scheme) => `${scheme}://${host}${place.base}`),
    ...(place.api === undefined ? {} : { api: place.api }),
    isMirror: context.isMirror,
    serves: place.serves === "nothing" ? "all" : place.serves,
    tls,
    headers,
    ...(place.sendsNamespace && place.host !== context.of ? { namespace: context.of } : {}),
  };
  return { endpoint, because };
}

interface Way {
  readonly schemes: readonly ("http" | "https")[];
  /** Nobody looks at the certificate, or there is none. */
  readonly isUnchecked: boolean;
}

/** A registry on this machine needs no certificate, as docker has it; one whose authority is configured is held to it. */
function chooseWay({ scheme, host }: Place, { protocol, ca, client }: Reach): Way {
  const isTrusted = protocol === "either" || protocol === "unchecked";
  const isLocal = isLoopback(host) && ca === undefined && protocol !== "https";
  if (scheme === "http" || (scheme === undefined && protocol === "http"))
    return { schemes: ["http"], isUnchecked: true };
  if (scheme === "https" || (protocol === "unchecked" && !isLocal))
    return { schemes: ["https"], isUnchecked: isTrusted || isLocal };
  if (isLocal && client === undefined) return { schemes: ["http", "https"], isUnchecked: true };
  if (isLocal || isTrusted) return { schemes: ["https", "http"], isUnchecked: true };
  return { schemes: ["https"], isUnchecked: false };
}

async function readAuthority(path: string): Promise<string> {
  const text = await readPem(path);
  if (!text.includes("-----BEGIN CERTIFICATE-----"))
    throw new BuildError("CONFIG", `"${path}" holds no certificate (PEM)`);
  return text;
}

async function readPair({ certificate, key }: ClientPair): Promise<{ certificate: string; key: string }> {
  const texts = { certificate: await readPem(certificate), key: await readPem(key) };
  let fits: boolean;
  try {
    fits = new X509Certificate(texts.certificate).checkPrivateKey(createPrivateKey(texts.key));
  } catch {
    // What OpenSSL says of it names no file, and the person has to look at both.
    throw new BuildError("CONFIG", `"${certificate}" and "${key}" are no certificate and its unencrypted key (PEM)`);
  }
  if (!fits) throw new BuildError("CONFIG", `the key "${key}" is not that of the certificate "${certificate}"`);
  return texts;
}

async function readPem(path: string): Promise<string> {
  const text = await readText(path);
  if (text === undefined)
    throw new BuildError("CONFIG", `there is no "${path}", which is named as certificate or key of a registry`);
  return text;
}
