// The registry section of buildkitd.toml (moby/buildkit, docs/buildkitd.toml.md).

import { isAbsolute, join } from "node:path";
import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Environment } from "../environment.ts";
import type { ConfigFolders } from "../files/folders.ts";
import type { RegistryFile } from "./registry-files.ts";
import { readRegistryFile } from "./registry-files.ts";
import type { Place, Protocol, RegistrySetting, SettingSource } from "./registry-settings.ts";
import { canonicalHost, splitName } from "./registry-settings.ts";
import { checkShape } from "../files/shape.ts";
import { readToml } from "../files/toml-file.ts";

const Registry = v.looseObject({
  mirrors: v.exactOptional(v.array(v.string())),
  http: v.exactOptional(v.boolean()),
  insecure: v.exactOptional(v.boolean()),
  ca: v.exactOptional(v.array(v.string())),
  keypair: v.exactOptional(v.array(v.looseObject({ key: v.string(), cert: v.string() }))),
});
type Registry = v.InferOutput<typeof Registry>;

/** `[registry."HOST"]` of a file. */
export const RegistryTables = v.record(v.string(), Registry);
const Daemon = v.looseObject({ registry: v.exactOptional(RegistryTables) });

/** The daemon's file of this user, the defaults for buildx's builders, and the system's file; or the one that was named. */
export async function readBuildkitdToml(
  environment: Environment,
  { config, docker, etc }: ConfigFolders,
  named?: string,
): Promise<readonly RegistryFile[]> {
  if (named !== undefined) return [await readRegistryFile(named, () => read(named, "user"))];
  const buildx = environment["BUILDX_CONFIG"] || join(docker, "buildx");
  const user = [join(config, "buildkit/buildkitd.toml"), join(buildx, "buildkitd.default.toml")];
  const system = join(etc, "buildkit/buildkitd.toml");
  return [
    ...(await Promise.all(user.map((path) => readRegistryFile(path, () => read(path, "user"))))),
    await readRegistryFile(system, () => read(system, "system"), { isDaemons: true }),
  ];
}

async function read(path: string, owner: SettingSource["owner"]): Promise<readonly RegistrySetting[] | undefined> {
  const written = await readToml(path);
  if (written === undefined) return undefined;
  const { registry = {} } = checkShape(Daemon, written, `"${path}"`);
  return Object.entries(registry).map(([host, table]): RegistrySetting => {
    const source: SettingSource = { family: "buildkitd.toml", owner, file: path, key: `[registry."${host}"]` };
    const keypair = table.keypair?.[0];
    const absolute = (file: string): string => {
      if (!isAbsolute(file))
        throw new BuildError("CONFIG", `"${path}", ${source.key}: "${file}" is not an absolute path`);
      return file;
    };
    return {
      source,
      scope: { kind: "name", host: canonicalHost(host), path: "" },
      mirrors: table.mirrors?.map((mirror) => readMirror(mirror, source)),
      reach: {
        protocol: protocolOf(table),
        ca: table.ca?.map(absolute),
        client: keypair && { certificate: absolute(keypair.cert), key: absolute(keypair.key) },
      },
    };
  });
}

/** host[:port][/path]; what is said of that host elsewhere in the file holds for it. */
function readMirror(mirror: string, { file, key }: SettingSource): Place {
  if (mirror === "" || mirror.includes("://"))
    throw new BuildError("CONFIG", `"${file}", ${key}: a mirror is host[:port][/path], not "${mirror}"`);
  return { ...splitName(mirror), base: "", reach: {}, serves: "all", sendsNamespace: true };
}

function protocolOf({ http, insecure }: Registry): Protocol | undefined {
  if (http === true) return "http";
  if (insecure === true) return "either";
  return http === undefined && insecure === undefined ? undefined : "https";
}
