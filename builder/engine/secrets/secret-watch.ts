// What a build knows of secrets, and where it learns of them: all that passes its session. From then on none of them is in
// an event or an error. Without secrets nothing is loaded and nothing is done.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { asBuildError } from "../../core/errors.ts";
import type { BuildEvent } from "../../core/events.ts";
import { NamespaceNeeded } from "../../core/system/namespace.ts";
import type { Credentials, Session } from "../../core/session.ts";
import { parseReference } from "../../core/image/reference.ts";
import type { Engine } from "../../engine.ts";
import type { KnownSecrets } from "../../guard/known-secrets.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { topological } from "../../graph/vertex.ts";
import type { LayerGuard } from "../../guard/layer-guard.ts";
import type { MaskedEvents } from "../../guard/masked-events.ts";
import type { OutputGuard } from "./output-guard.ts";
import type { BuildRequest, ContextSpec } from "../../request.ts";
import type { LayerWatch } from "../../snapshot/ports.ts";

/** The watch of one build. Disposing it passes on what was held back of outputs. */
export class SecretWatch implements Disposable {
  /** What was asked for, with events and a session that are watched. */
  readonly request: BuildRequest;
  readonly #asked: BuildRequest;
  #known: KnownSecrets | undefined;
  #events: MaskedEvents | undefined;
  #maskedError: typeof import("../../guard/masked-error.ts").maskedError | undefined;
  #layerGuard: LayerGuard | undefined;
  #openLayers: (() => Promise<void>) | undefined;

  /** Reads the secrets that the client says it has. */
  static async open(asked: BuildRequest): Promise<SecretWatch> {
    const watch = new SecretWatch(asked);
    const { session } = watch.request;
    // What cannot be read is an error of the step that wants it.
    await Promise.all((session.secretIds ?? []).map((id) => session.secret(id).catch(() => undefined)));
    for (const { id, bytes } of (await asked.session.privateKeys?.()) ?? [])
      await watch.#add(`ssh:${id}`, `private key of --ssh "${id}"`, bytes);
    for (const [id, name, value] of [...passwordsOf(asked), ...(await ofCaches(asked))])
      await watch.#add(id, name, Buffer.from(value, "utf8"));
    return watch;
  }

  private constructor(asked: BuildRequest) {
    this.#asked = asked;
    this.request = { ...asked, events: (event) => this.#tell(event), session: this.#watched(asked.session) };
  }

  /** Looks for what is known in the layers that are packed. */
  readonly layers: LayerWatch = { begin: (layer) => this.#layerGuard?.begin(layer) };

  /** From here on it is remembered in the engine's store what stands in which layer. */
  async keepVerdicts({ records, layers }: Engine): Promise<void> {
    const keyFile = join(this.#asked.root, "tsbuild/guard.key");
    this.#openLayers = async () => {
      const { LayerGuard: Guard } = await import("../../guard/layer-guard.ts");
      const { Verdicts } = await import("../../guard/verdicts.ts");
      const verdicts = new Verdicts(records, keyFile, layers.place.workDirectory);
      this.#layerGuard ??= new Guard(verdicts, () => this.#known?.all ?? []);
    };
    // Where the key is, an earlier build may have found something.
    if (this.#known !== undefined || existsSync(keyFile)) await this.#openLayers();
  }

  /** The guard of what is made of these vertices and written; undefined where there is nothing to guard. */
  async outputs(targets: readonly Vertex[]): Promise<OutputGuard | undefined> {
    await this.#learn(targets);
    if (this.#layerGuard === undefined) return undefined;
    const { OutputGuard: Guard } = await import("./output-guard.ts");
    return new Guard(this.request, this.#layerGuard, (text) => this.#known?.masker.text(text) ?? text);
  }

  /** An error as it may be shown. */
  error(thrown: unknown): unknown {
    if (this.#known === undefined || thrown instanceof NamespaceNeeded) return thrown;
    return this.#maskedError?.(asBuildError(thrown), this.#known.masker) ?? thrown;
  }

  [Symbol.dispose](): void {
    for (const event of this.#events?.end() ?? []) this.#asked.events(event);
  }

  /**
   * What steps of the cache mount, and what a push will send, are secrets of this build as well. Whoever cannot be asked
   * is asked again by the step or the push, which says so.
   */
  async #learn(targets: readonly Vertex[]): Promise<void> {
    const { exports, session } = this.request;
    const mounted = topological(targets).flatMap(({ op }) =>
      op.kind === "exec" ? op.mounts.flatMap((mount) => (mount.type === "secret" ? [mount.id] : [])) : [],
    );
    for (const id of new Set(mounted)) await session.secret(id).catch(() => undefined);
    const pushed = exports.flatMap((output) => (output.type === "image" && output.push ? output.image.names : []));
    for (const { registry, repository } of [...new Set(pushed)].map(parseReference))
      await session.credentials(registry, repository).catch(() => undefined);
  }

  #tell(event: BuildEvent): void {
    if (this.#events === undefined) this.#asked.events(event);
    else for (const masked of this.#events.pass(event)) this.#asked.events(masked);
  }

  async #add(id: string, name: string, value: Uint8Array): Promise<void> {
    if (this.#known === undefined) {
      const { KnownSecrets: Known } = await import("../../guard/known-secrets.ts");
      const { MaskedEvents: Events } = await import("../../guard/masked-events.ts");
      const { maskedError } = await import("../../guard/masked-error.ts");
      this.#maskedError = maskedError;
      this.#known ??= new Known();
      this.#events ??= new Events(this.#known.masker);
      await this.#openLayers?.();
    }
    this.#known.add(id, name, value);
  }

  /** Each is asked for once: a secret may come from a pipe, a login from a program. */
  #watched(session: Session): Session {
    const secrets = new Map<string, Promise<Uint8Array | undefined>>();
    const read = async (id: string): Promise<Uint8Array | undefined> => {
      const value = await session.secret(id);
      if (value !== undefined) await this.#add(id, `secret "${id}"`, value);
      return value;
    };
    const logins = new Map<string, Promise<Credentials | undefined>>();
    const readLogin = async (registry: string, repository: string | undefined): Promise<Credentials | undefined> => {
      const found = await session.credentials(registry, repository);
      if (found !== undefined) await this.#addCredentials(registry, found);
      return found;
    };
    return {
      ...session,
      secret: (id) => once(secrets, id, () => read(id)),
      gitAuthorization: async (host) => {
        const header = await session.gitAuthorization?.(host);
        if (header !== undefined) await this.#addHeader(host, header);
        return header;
      },
      credentials: (registry, repository) =>
        once(logins, `${registry} ${repository ?? ""}`, () => readLogin(registry, repository)),
    };
  }

  /** Of Basic authorisation the token or the password in it, too. */
  async #addHeader(host: string, header: string): Promise<void> {
    const [, value = header] = header.split(/ (.*)/s);
    const [user = "", password = ""] = Buffer.from(value, "base64").toString("utf8").split(/:(.*)/s);
    for (const secret of new Set([value, password || user]))
      await this.#add(`git:${host}`, `login for the git remote ${host}`, Buffer.from(secret, "utf8"));
  }

  async #addCredentials(registry: string, { password, identityToken, registryToken }: Credentials): Promise<void> {
    for (const value of [password, identityToken, registryToken]) {
      if (value === undefined) continue;
      await this.#add(`registry:${registry}`, `login for the registry ${registry}`, Buffer.from(value, "utf8"));
    }
  }
}

/** What was asked before; a failure is not remembered. */
function once<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const answer = known.get(key) ?? ask();
  known.set(key, answer);
  answer.catch(() => known.delete(key));
  return answer;
}

const PROXY_NAMES = /^(?:https?|ftp|all)_proxy$/i;

/** The passwords in URLs of contexts, of the Dockerfile and of proxies. */
function passwordsOf(request: BuildRequest): (readonly [id: string, name: string, value: string])[] {
  const { context, dockerfile, namedContexts, buildArgs } = request;
  const urls = [context, dockerfile, ...namedContexts.values()].flatMap(urlOf);
  const proxies = [...buildArgs].flatMap(([name, value]) => (PROXY_NAMES.test(name) ? [value] : []));
  return [...urls, ...proxies].flatMap((text) => {
    const url = URL.parse(text);
    if (url === null || url.password === "") return [];
    const values = new Set([url.password, decoded(url.password)]);
    return [...values].map((value) => [`url:${url.host}`, `password in the URL of ${url.host}`, value] as const);
  });
}

async function ofCaches(request: BuildRequest): Promise<readonly (readonly [string, string, string])[]> {
  if ((request.cacheFrom ?? []).length + (request.cacheTo ?? []).length === 0) return [];
  const { secretsOfCaches } = await import("./cache-secrets.ts");
  return secretsOfCaches(request);
}

function urlOf(spec: ContextSpec | BuildRequest["dockerfile"]): string[] {
  return spec.kind === "git" || spec.kind === "http" ? [spec.url] : [];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a "%" that is none of a code
  }
}
