// How one side of a transfer, or the one place that a command looks at, is reached: what flags say of logins,
// certificates and the daemon comes before what is configured.

import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Credentials } from "../../../builder/core/session.ts";
import type { RegistryAccess } from "../../../builder/registry-options.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { localRegistries } from "../../config/registries.ts";
import type { RegistrySetting } from "../../config/registries/registry-settings.ts";
import { localSession } from "../../config/session.ts";
import { definedOnly } from "../build/request.ts";
import type { CommandContext } from "../command.ts";

/** Which flags, and which registries they are about. */
interface Side {
  /** "src-", "dest-", or "". */
  readonly prefix: string;
  /** Registries that `--tls-verify` is about. */
  readonly registries: readonly string[];
}

/** The logins, the certificates and the daemon of one side. Throws `USAGE`, `CONFIG`. */
export async function sideAccess(
  { environment }: CommandContext,
  args: Arguments,
  { prefix, registries }: Side,
): Promise<RegistryAccess> {
  const authfile = textOf(args, `${prefix}authfile`) || textOf(args, "authfile");
  const own = authfile === undefined ? environment : { ...environment, REGISTRY_AUTH_FILE: authfile };
  const isUnchecked = textOf(args, `${prefix}tls-verify`) === "false";
  const insecure = [...listOf(args, "insecure-registry"), ...(isUnchecked ? registries : [])];
  const local = localRegistries(own, insecure, await flaggedSettings(args, { prefix, registries }));
  const session = await localSession({ secrets: [], ssh: [], environment: own, credentials: local.credentials });
  const given = givenCredentials(args, prefix);
  const isAnonymous = isOn(args, `${prefix}no-creds`);
  if (given !== undefined && isAnonymous)
    throw new BuildError("USAGE", `--${prefix}no-creds and a login contradict each other`);
  const { dockerHost } = await import("../../config/daemon/docker-host.ts"); // for a host that a flag names
  return {
    router: local.router,
    session: {
      ...session,
      credentials: async (registry, repository) => {
        if (isAnonymous) return undefined;
        return given ?? (await local.credentials(registry, repository));
      },
      dockerDaemon: () => dockerHost(own, textOf(args, `${prefix}daemon-host`)),
    },
    environment: definedOnly(environment),
  };
}

/** The same for a command that only asks: `--retry-times` is about each request then. */
export async function lookAccess(
  context: CommandContext,
  args: Arguments,
  registries: readonly string[],
): Promise<RegistryAccess> {
  const registryRetries = parseCount(textOf(args, "retry-times") ?? "0", "--retry-times", 0);
  return { ...(await sideAccess(context, args, { prefix: "", registries })), registryRetries };
}

/** What `--cert-dir` and `--tls-verify` say. Throws `CONFIG` for a folder without certificates. */
export async function flaggedSettings(
  args: Arguments,
  { prefix, registries }: Side,
): Promise<readonly RegistrySetting[]> {
  const folder = textOf(args, `${prefix}cert-dir`);
  const settings: RegistrySetting[] = [];
  if (folder) {
    const { readFlaggedCertificates } = await import("../../config/registries/certs-d.ts");
    settings.push(await readFlaggedCertificates(resolve(folder), `--${prefix}cert-dir`));
  }
  if (textOf(args, `${prefix}tls-verify`) === "true") {
    const source = { family: "flag", owner: "flag", file: `--${prefix}tls-verify`, key: "" } as const;
    for (const host of registries)
      settings.push({ source, scope: { kind: "name", host, path: "" }, reach: { protocol: "https" } });
  }
  return settings;
}

/** A login that flags give in one of three ways; an absent password is asked for nowhere: it is an error. */
function givenCredentials(args: Arguments, prefix: string): Credentials | undefined {
  const [both, username, password, token] = ["creds", "username", "password", "registry-token"].map(
    (name) => textOf(args, `${prefix}${name}`) || undefined,
  );
  const ways = [both !== undefined, username !== undefined || password !== undefined, token !== undefined];
  if (ways.filter(Boolean).length > 1) {
    throw new BuildError(
      "USAGE",
      `--${prefix}creds, --${prefix}username with --${prefix}password, and --${prefix}registry-token exclude each other`,
    );
  }
  if (token !== undefined) return { username: "", password: "", registryToken: token };
  if (both !== undefined) return splitCredentials(both, `--${prefix}creds`);
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined)
    throw new BuildError("USAGE", `--${prefix}username and --${prefix}password go together`, { hint: SEEN });
  return { username, password };
}

const SEEN = "other users of this machine can see it there: tsbuild login, or --authfile, hide it";

/** `user:password`. */
function splitCredentials(text: string, flag: string): Credentials {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new BuildError("USAGE", `${flag}: write user:password`, { hint: SEEN });
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
