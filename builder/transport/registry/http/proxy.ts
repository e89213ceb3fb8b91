// Which proxy a request goes through, by the variables that everybody knows and the rules that Go's programs follow
// (golang.org/x/net/http/httpproxy), so that one environment means the same to docker, podman and us.

import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { isWithin } from "../../../core/address-range.ts";
import { BuildError } from "../../../core/errors.ts";

/** Variables by name. */
export type ProxyVariables = ReadonlyMap<string, string>;

/** A proxy, and the variable that names it. */
export interface Proxy {
  readonly url: URL;
  readonly variable: string;
}

/**
 * The proxy for a URL; undefined when there is none to use: nothing is set for its scheme, the host is this machine, or
 * NO_PROXY names it. Throws `CONFIG` for an address that is no http or https proxy; never with a login in it.
 */
export function proxyFor(url: URL, variables: ProxyVariables): Proxy | undefined {
  const names = url.protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const variable = names.find((name) => (variables.get(name) ?? "") !== "");
  if (variable === undefined || !usesProxy(url, variables)) return undefined;
  return { url: parseProxy(variables.get(variable) ?? "", variable), variable };
}

/** Go's rule for one of the variables: "host:port" is an http proxy. */
function parseProxy(text: string, variable: string): URL {
  const full = /^(?:https?|socks5h?|socks4a?):\/\//i.test(text) ? text : `http://${text}`;
  const parsed = URL.canParse(full) ? new URL(full) : undefined;
  if (parsed === undefined || parsed.hostname === "")
    throw new BuildError("CONFIG", `the environment variable ${variable} is not the address of a proxy`);
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    throw new BuildError("CONFIG", `${variable}: proxies of the kind "${parsed.protocol}//" are not supported`, {
      hint: "http:// and https:// are",
    });
  return parsed;
}

function usesProxy(url: URL, variables: ProxyVariables): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || isWithin(host, "127.0.0.0/8") || isWithin(host, "::1/128")) return false;
  const exceptions = variables.get("NO_PROXY") || variables.get("no_proxy") || "";
  return !exceptions.split(",").some((entry) => isException(entry.trim().toLowerCase(), host, port));
}

/** Whether one entry of NO_PROXY is about a host: "*", an address or a range, a domain, each but the first and the range with or without a port. */
function isException(entry: string, host: string, port: string): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  if (/^[0-9a-f.:]+\/\d+$/.test(entry)) return isWithin(host, entry);
  const [, bracketed, bare = entry, entryPort] = /^(?:\[(.*)\]|([^:]*)):(\d*)$/.exec(entry) ?? [];
  const named = bracketed ?? bare;
  const isPort = entryPort === undefined || entryPort === "" || entryPort === port;
  if (isIP(named) !== 0) return isPort && isSameAddress(named, host);
  const domain = named.replace(/^\*(?=\.)/, "");
  if (domain === "" || domain === ".") return false;
  const ascii = /^[\x00-\x7f]*$/.test(domain) ? domain : domainToASCII(domain);
  const suffix = ascii.startsWith(".") ? ascii : `.${ascii}`;
  return isPort && (host.endsWith(suffix) || (!ascii.startsWith(".") && host === ascii));
}

function isSameAddress(a: string, b: string): boolean {
  return isIP(a) === isIP(b) && isWithin(b, `${a}/${isIP(a) === 6 ? 128 : 32}`);
}
