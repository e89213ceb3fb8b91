// What configuration makes of one name, for people: every place with its reasons, the login, the proxy, and every file
// that was looked for. Values of headers, passwords and tokens are not part of it.

import type { ErrorCode } from "../../../builder/core/errors.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { RoutedReference } from "../../../builder/transport/registry/endpoints.ts";
import { proxyFor } from "../../../builder/transport/registry/http/proxy.ts";
import type { CredentialFiles } from "../credentials/credentials.ts";
import type { Environment } from "../environment.ts";
import type { RegistryDetails } from "../registries.ts";
import type { RoutedEndpoint } from "./registry-endpoint.ts";
import { joinName } from "./registry-settings.ts";
import type { ShortNameReport } from "./short-names.ts";

/** A fault that keeps a registry from being used. */
export interface ReportedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface ReportedPlace {
  readonly role: "mirror" | "registry" | "push";
  readonly registry: string;
  readonly repository: string;
  readonly origins: readonly string[];
  readonly serves: "all" | "digests" | "tags";
  readonly isCertificateChecked: boolean;
  readonly hasOwnAuthorities: boolean;
  readonly hasClientCertificate: boolean;
  readonly headers: readonly string[];
  readonly namespace?: string | undefined;
  readonly because: readonly string[];
  readonly login: ReportedLogin | undefined;
  /** Without login; by origin, those that go through one. */
  readonly proxies: readonly { readonly origin: string; readonly proxy: string; readonly variable: string }[];
}

export interface ReportedLogin {
  readonly file: string;
  readonly key: string;
  readonly helper?: string | undefined;
  readonly username: string;
  readonly kind: "password" | "identity token" | "registry token";
}

export interface RegistryReport {
  readonly name: string;
  readonly shortName?: ShortNameReport | undefined;
  /** What decided on the places. */
  readonly because?: string | undefined;
  readonly places: readonly ReportedPlace[];
  /** Why there are no places, or what else is wrong. */
  readonly errors: readonly ReportedError[];
  readonly files: readonly { readonly path: string; readonly state: string; readonly problem?: string | undefined }[];
}

/** Everything about a name; an empty path stands for the whole registry. Faults of files are a part of the report. */
export async function reportRegistry(
  reference: RoutedReference,
  { configuration, logins }: RegistryDetails,
  environment: Environment,
): Promise<RegistryReport> {
  const name = { host: reference.registry, path: reference.repository };
  const errors: ReportedError[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      if (!errors.some(({ message }) => message === error.message))
        errors.push({ code: error.code, message: error.message, hint: error.hint });
      return undefined;
    }
  };
  const route = await attempt(() => configuration.explain(reference));
  const places: ReportedPlace[] = [];
  const add = async (one: RoutedEndpoint, role: ReportedPlace["role"]): Promise<void> => {
    const { endpoint } = one;
    const login = await attempt(() => reportLogin(logins, endpoint.registry, endpoint.repository));
    const proxies = await attempt(async () => reportProxies(endpoint.origins, environment));
    places.push({
      role,
      registry: endpoint.registry,
      repository: endpoint.repository,
      origins: endpoint.origins,
      serves: endpoint.serves,
      isCertificateChecked: !endpoint.tls.isUnchecked,
      hasOwnAuthorities: endpoint.tls.ca !== undefined,
      hasClientCertificate: endpoint.tls.certificate !== undefined,
      headers: Object.keys(endpoint.headers),
      namespace: endpoint.namespace,
      because: one.because,
      login,
      proxies: proxies ?? [],
    });
  };
  for (const one of route?.endpoints ?? []) await add(one, one.endpoint.isMirror ? "mirror" : "registry");
  if (route !== undefined && !route.endpoints.includes(route.push)) await add(route.push, "push");
  const hosts = new Set([name.host, ...places.map(({ registry }) => registry)]);
  const read = await configuration.files([...hosts]);
  const loginFiles = (await attempt(() => logins.files())) ?? [];
  const files = [
    ...read.map(({ path, state, problem }) => ({ path, state, problem: problem?.message })),
    ...loginFiles.filter((path) => !read.some((file) => file.path === path)).map((path) => ({ path, state: "read" })),
  ];
  return { name: joinName(name), because: route?.because, places, errors, files };
}

async function reportLogin(
  logins: CredentialFiles,
  registry: string,
  repository: string,
): Promise<ReportedLogin | undefined> {
  const found = await logins.locate(registry, repository);
  if (found === undefined) return undefined;
  const { username, identityToken, registryToken } = found.credentials;
  const kind =
    registryToken !== undefined ? "registry token" : identityToken !== undefined ? "identity token" : "password";
  return { file: found.file, key: found.key, helper: found.helper, username, kind };
}

function reportProxies(origins: readonly string[], environment: Environment): ReportedPlace["proxies"] {
  const variables = new Map(
    Object.entries(environment).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
  return origins.flatMap((origin) => {
    const proxy = proxyFor(new URL(origin), variables);
    return proxy === undefined ? [] : [{ origin, proxy: proxy.url.host, variable: proxy.variable }];
  });
}
