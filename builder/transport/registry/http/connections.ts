// Connections to registries: kept open, through the proxies that the environment names, with the certificates that
// belong to a host.

import { X509Certificate } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import { Socket } from "node:net";
import * as tls from "node:tls";
import { BuildError } from "../../../core/errors.ts";
import { SocketReader } from "./direct-body.ts";
import type { EndpointTls } from "../endpoints.ts";
import { proxyFor } from "./proxy.ts";

export interface ConnectionOptions {
  /** What holds for a host beyond the usual authorities. */
  readonly tlsFor?: ((url: URL) => EndpointTls | undefined) | undefined;
  /** For the proxies it names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). */
  readonly environment?: ReadonlyMap<string, string> | undefined;
}

const ORDINARY: EndpointTls = { isUnchecked: false };

/** Agents, one for all hosts that are treated alike. Closing it ends its connections. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #opened: http.Agent[] = [];
  /** By what holds for the host, then by the proxy's URL; "" for none. */
  #agents = new Map<EndpointTls | "plain", Map<string, http.Agent>>();
  #trustsSystem = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  agentFor(url: URL): http.Agent {
    const key = url.protocol === "https:" ? (this.#options.tlsFor?.(url) ?? ORDINARY) : "plain";
    const agents = this.#agents.get(key) ?? new Map<string, http.Agent>();
    this.#agents.set(key, agents);
    const proxy = this.#proxyFor(url);
    const known = agents.get(proxy);
    if (known !== undefined) return known;
    const make = key === "plain" ? plainAgent : secureAgent(key, this.#trustsSystem, url.host);
    // Whether one is used is decided; Node's own rules would differ.
    const agent = make(proxy === "" ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } });
    agents.set(proxy, agent);
    this.#opened.push(agent);
    return agent;
  }

  /**
   * From now on also trusts the authorities of this machine (/etc/ssl/certs), not only those that Node brings. To read
   * them takes a tenth of a second, so that happens when a certificate is not known otherwise. False when it was so
   * already.
   */
  trustSystem(): boolean {
    if (this.#trustsSystem) return false;
    this.#trustsSystem = true;
    // What is under way on the old ones goes on.
    this.#agents = new Map();
    return true;
  }

  close(): void {
    for (const agent of this.#opened) agent.destroy();
  }

  #proxyFor(url: URL): string {
    const { environment } = this.#options;
    if (environment === undefined || isLoopback(url.host)) return "";
    return proxyFor(url, environment)?.url.href ?? "";
  }
}

/** Whether a host ("127.0.0.1:5000") is this machine; such a one is never reached through a proxy. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|[\w.-]+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);
}

// highWaterMark reaches the sockets, though the agents' types do not list it.
const KEPT = { keepAlive: true, maxSockets: 6, highWaterMark: 1 << 20 };

function plainAgent(options: http.AgentOptions): http.Agent {
  return readDirectly(new http.Agent({ ...KEPT, ...options }), options);
}

/** Connections of ours are read by us (direct-body.ts); those through a proxy are made by Node. */
function readDirectly(agent: http.Agent, { proxyEnv }: http.AgentOptions): http.Agent {
  if (proxyEnv !== undefined) return agent;
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const reader = new SocketReader();
    const read: http.ClientRequestArgs & Pick<SocketReader, "onread"> = { ...options, onread: reader.onread };
    const socket = connect(read, callback);
    if (socket instanceof Socket) reader.attach(socket);
    return socket;
  };
  return agent;
}

/** One context for all connections: to read some hundred authorities for each of them would take longer than the rest. */
function secureAgent(
  { ca, certificate, key, isUnchecked }: EndpointTls,
  trustsSystem: boolean,
  host: string,
): (options: http.AgentOptions) => http.Agent {
  const more = [...(ca ?? []), ...(trustsSystem ? tls.getCACertificates("system") : [])];
  const trusted = more.length === 0 ? {} : { ca: [...new Set([...tls.getCACertificates("default"), ...more])] };
  const own = certificate === undefined || key === undefined ? {} : { cert: certificate, key };
  let secureContext: tls.SecureContext;
  try {
    // What is no certificate would be passed over.
    for (const one of ca ?? []) new X509Certificate(one);
    secureContext = tls.createSecureContext({ ...trusted, ...own });
  } catch (error) {
    // OpenSSL's message names the kind of fault, never a part of the key.
    const why = error instanceof Error ? error.message : String(error);
    throw new BuildError("CONFIG", `the certificates or the key for "${host}" cannot be used: ${why}`);
  }
  return (options) =>
    readDirectly(new https.Agent({ ...KEPT, secureContext, rejectUnauthorized: !isUnchecked, ...options }), options);
}
