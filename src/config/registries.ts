// What this process's configuration says of registries, for the engine. Nothing is loaded or read before the engine
// needs a registry: a build that knows everything already pays nothing.

import { BuildError } from "../../builder/core/errors.ts";
import type { ExpandName } from "../../builder/core/image/reference.ts";
import type { Session } from "../../builder/core/session.ts";
import type { RegistryRouter } from "../../builder/transport/registry/endpoints.ts";
import type { CredentialFiles } from "./credentials/credentials.ts";
import type { Environment } from "./environment.ts";
import type { RegistryConfiguration } from "./registries/registry-router.ts";
import type { RegistrySetting } from "./registries/registry-settings.ts";

/** What the engine asks of it. */
export interface LocalRegistries {
  readonly router: RegistryRouter;
  readonly credentials: Session["credentials"];
  /** What a name without a registry stands for; undefined: what docker makes of it. */
  readonly expandName: ExpandName | undefined;
}

/** The files behind it, which also know their reasons. */
export interface RegistryDetails {
  readonly configuration: RegistryConfiguration;
  readonly logins: CredentialFiles;
}

/**
 * Registries as the files of this environment's user and of the system have them; `insecure` are hosts of
 * `--insecure-registry`, `flags` is what else flags say, `daemonFile` stands in for every buildkitd.toml.
 */
export function localRegistries(
  environment: Environment,
  insecure: readonly string[],
  flags: readonly RegistrySetting[] = [],
  daemonFile?: string,
): LocalRegistries {
  let opened: Promise<RegistryDetails> | undefined;
  const open = (): Promise<RegistryDetails> =>
    (opened ??= openRegistries(environment, insecure, { flags, daemonFile }));
  return {
    router: async (reference) => await (await open()).configuration.route(reference),
    credentials: async (registry, repository) => await (await open()).logins.find(registry, repository),
    expandName: followsRegistriesConf(environment)
      ? async (name) => {
          const { reportShortName } = await import("./registries/short-names.ts");
          return (await reportShortName(name, (await open()).configuration, true))?.name ?? name;
        }
      : undefined,
  };
}

/** Whether TSBUILD_SHORT_NAMES asks for the rules of registries.conf. Throws `USAGE` for a value that is none. */
export function followsRegistriesConf(environment: Environment): boolean {
  const rule = environment["TSBUILD_SHORT_NAMES"] || "docker";
  if (rule !== "docker" && rule !== "containers")
    throw new BuildError("USAGE", `TSBUILD_SHORT_NAMES: "${rule}" is neither docker nor containers`);
  return rule === "containers";
}

/** What a door may say of the configuration. `etc` stands in for /etc in tests. */
interface RegistryDetailsOptions {
  readonly etc?: string;
  readonly flags?: readonly RegistrySetting[];
  /** The one buildkitd.toml that counts. */
  readonly daemonFile?: string | undefined;
}

/** The same, opened for whoever wants to know why. `etc` stands in for /etc in tests. */
export async function openRegistries(
  environment: Environment,
  insecure: readonly string[],
  { etc, flags = [], daemonFile }: RegistryDetailsOptions = {},
): Promise<RegistryDetails> {
  const [{ configFolders }, { RegistryConfiguration }, { CredentialFiles }] = await Promise.all([
    import("./files/folders.ts"),
    import("./registries/registry-router.ts"),
    import("./credentials/credentials.ts"),
  ]);
  const folders = configFolders(environment, etc);
  const configuration = new RegistryConfiguration({ environment, folders, insecure, flags, daemonFile });
  const helpers = async (): Promise<Awaited<ReturnType<typeof configuration.registriesConf>>["credentialHelpers"]> =>
    (await configuration.registriesConf()).credentialHelpers;
  return { configuration, logins: new CredentialFiles({ environment, folders, helpers }) };
}
