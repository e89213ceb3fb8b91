// From configuration files to the places where a name's content can be had. The files are read when a registry is
// first needed, those about one host when that host is.

import { BuildError } from "../../../builder/core/errors.ts";
import type { RegistryRoute, RoutedReference } from "../../../builder/transport/registry/endpoints.ts";
import { readBuildkitdToml } from "./buildkitd-toml.ts";
import { readCertsD } from "./certs-d.ts";
import { insecureRegistry, readDaemonJson, withinRanges } from "./daemon-json.ts";
import { readHttpHeaders } from "./http-headers.ts";
import type { Environment } from "../environment.ts";
import type { ConfigFolders } from "../files/folders.ts";
import type { RoutedEndpoint } from "./registry-endpoint.ts";
import { makeEndpoint } from "./registry-endpoint.ts";
import type { RegistriesConf } from "./registries-conf.ts";
import { readRegistriesConf } from "./registries-conf.ts";
import type { RegistryFile } from "./registry-files.ts";
import type { Name, Place, RegistrySetting } from "./registry-settings.ts";
import { canonicalHost, describeSource, joinName, settingsFor } from "./registry-settings.ts";

/** A route with its reasons. */
export interface ExplainedRoute {
  readonly endpoints: readonly RoutedEndpoint[];
  /** Where it is pushed to. */
  readonly push: RoutedEndpoint;
  /** What decided on mirrors and location. */
  readonly because: string;
}

export interface RegistryConfigurationOptions {
  readonly environment: Environment;
  readonly folders: ConfigFolders;
  /** Hosts of `--insecure-registry`. */
  readonly insecure: readonly string[];
  /** What other flags say. */
  readonly flags: readonly RegistrySetting[];
  /** The one buildkitd.toml that counts, where somebody named one. */
  readonly daemonFile?: string | undefined;
}

/** The registry configuration of whoever started this program. */
export class RegistryConfiguration {
  readonly #options: RegistryConfigurationOptions;
  readonly #byHost = new Map<string, Promise<HostFiles>>();
  readonly #routes = new Map<string, Promise<ExplainedRoute>>();
  #general: Promise<GeneralFiles> | undefined;

  constructor(options: RegistryConfigurationOptions) {
    this.#options = options;
  }

  /** The route of a reference. Throws `REGISTRY` for a blocked registry, `CONFIG` for a file that cannot be read or understood. */
  async route(reference: RoutedReference): Promise<RegistryRoute> {
    const { endpoints, push, because } = await this.explain(reference);
    const all = endpoints.map(({ endpoint }) => endpoint);
    return {
      endpoints: all,
      ...(all.at(-1) === push.endpoint ? {} : { push: push.endpoint }),
      because: [because, ...endpoints.flatMap((one) => one.because)],
    };
  }

  /** The same with reasons for each place; an empty repository stands for the whole registry. */
  explain(reference: RoutedReference): Promise<ExplainedRoute> {
    const { registry, repository, tag, digest } = reference;
    const images = [...(tag === undefined ? [] : [`:${tag}`]), ...(digest === undefined ? [] : [`@${digest}`])];
    const name = { host: canonicalHost(registry), path: repository, images };
    const key = [joinName(name), ...images].join("");
    const known = this.#routes.get(key) ?? this.#plan(name);
    this.#routes.set(key, known);
    return known;
  }

  /** Every file that is looked for on behalf of some hosts, with what became of it. */
  async files(hosts: readonly string[]): Promise<readonly RegistryFile[]> {
    const { files } = await this.#generalFiles();
    const own = await Promise.all(hosts.map((host) => this.#hostFiles(canonicalHost(host))));
    return [...files, ...own.flatMap((one) => one.files)];
  }

  /** Names without a registry, and credential helpers: the parts of registries.conf that are not about a registry. */
  async registriesConf(): Promise<RegistriesConf> {
    return (await this.#generalFiles()).registriesConf;
  }

  async #plan(name: Name): Promise<ExplainedRoute> {
    const matching = settingsFor(name, await this.#settings(name.host));
    const route = matching.find(isAboutRoute);
    if (route?.unusable !== undefined)
      throw new BuildError("CONFIG", `${describeSource(route.source)}: ${route.unusable}`);
    if (route?.blocked === true) {
      throw new BuildError("REGISTRY", `"${joinName(name)}" may not be used: its registry is blocked`, {
        hint: `by ${describeSource(route.source)}`,
      });
    }
    const because = route === undefined ? "no file names mirrors or another place" : describeSource(route.source);
    const self: Place = { ...name, base: "", reach: {}, serves: route?.serves ?? "all", sendsNamespace: false };
    const home = route?.home === undefined ? self : below(route.home, name, route);
    const mirrors = route === undefined ? [] : (route.mirrors ?? []).map((mirror) => below(mirror, name, route));
    const make = async (place: Place, isMirror: boolean): Promise<RoutedEndpoint> =>
      await makeEndpoint(place, {
        isMirror,
        of: name.host,
        settings: settingsFor(place, await this.#settings(place.host)),
        namedBy: route?.source,
      });
    const last = await make(home, false);
    const endpoints = await Promise.all(mirrors.map((mirror) => make(mirror, true)));
    if (home.serves !== "nothing") endpoints.push(last);
    if (endpoints.length === 0)
      throw new BuildError("CONFIG", `${because}: there is no place to read "${joinName(name)}" from`);
    const isMovedForReading = route?.home !== undefined && route.source.family === "registries.conf";
    return { endpoints, push: isMovedForReading ? await make(self, false) : last, because };
  }

  /** Throws what is wrong with the first broken file. */
  async #settings(host: string): Promise<readonly RegistrySetting[]> {
    const general = await this.#generalFiles();
    const own = await this.#hostFiles(host);
    for (const { problem } of [...general.files, ...own.files]) if (problem !== undefined) throw problem;
    return [...general.settings, ...own.settings];
  }

  #generalFiles(): Promise<GeneralFiles> {
    return (this.#general ??= readGeneral(this.#options));
  }

  #hostFiles(host: string): Promise<HostFiles> {
    const known = this.#byHost.get(host) ?? this.#readHost(host);
    this.#byHost.set(host, known);
    return known;
  }

  async #readHost(host: string): Promise<HostFiles> {
    const { ranges } = await this.#generalFiles();
    const files = await readCertsD(this.#options.folders, host);
    return { files, settings: [...files.flatMap(({ settings }) => settings), ...(await withinRanges(ranges, host))] };
  }
}

interface HostFiles {
  readonly files: readonly RegistryFile[];
  readonly settings: readonly RegistrySetting[];
}

interface GeneralFiles extends HostFiles {
  /** Settings for address ranges: which hosts they are about is found out for each host. */
  readonly ranges: readonly RegistrySetting[];
  readonly registriesConf: RegistriesConf;
}

async function readGeneral(options: RegistryConfigurationOptions): Promise<GeneralFiles> {
  const { environment, folders, insecure, flags: said, daemonFile } = options;
  const registriesConf = await readRegistriesConf(environment, folders);
  const others = [
    ...(await readBuildkitdToml(environment, folders, daemonFile)),
    ...(await readDaemonJson(folders)),
    await readHttpHeaders(folders),
  ];
  const flags = [
    ...said,
    ...insecure.map((host) =>
      insecureRegistry(host, { family: "flag", owner: "flag", file: "--insecure-registry", key: "" }),
    ),
  ];
  const all = [...flags, ...registriesConf.settings, ...others.flatMap(({ settings }) => settings)];
  return {
    registriesConf,
    files: [...registriesConf.files, ...others],
    settings: all.filter(({ scope }) => scope.kind !== "network"),
    ranges: all.filter(({ scope }) => scope.kind === "network"),
  };
}

function isAboutRoute({ blocked, mirrors, home, serves, unusable }: RegistrySetting): boolean {
  return (
    blocked === true ||
    mirrors !== undefined ||
    home !== undefined ||
    unusable !== undefined ||
    (serves !== undefined && serves !== "all")
  );
}

/** A place with the part of a name that its setting's scope does not cover. */
function below(place: Place, name: Name, { scope }: Pick<RegistrySetting, "scope">): Place {
  const covered = scope.kind === "name" ? scope.path : "";
  const rest = covered === "" ? name.path : name.path.slice(covered.length + 1);
  return { ...place, path: [place.path, rest].filter((part) => part !== "").join("/") };
}
