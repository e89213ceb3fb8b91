// Tenants of the daemon's file as what it works with: a store each, and what each may have of the disk and of the machine.

import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { TenantTable } from "../../config/daemon/daemon-file.ts";
import type { TenantSettings } from "../../daemon/daemon.ts";
import type { DaemonSettings } from "../../daemon/settings.ts";
import { diskSettingsOf } from "../disk/settings.ts";

/** The tenants. Throws `CONFIG` for names that cannot be folders, and for what two of them have. */
export function tenantsOf(
  tables: ReadonlyMap<string, TenantTable>,
  settings: DaemonSettings,
): readonly TenantSettings[] {
  const owners = new Map<string, string>();
  return [...tables].map(([name, { certificates, addresses, maxParallelism, ...space }]) => {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
      throw new BuildError("CONFIG", `the tenant "${name}": names are a-z, 0-9, ".", "_" and "-"`);
    if (certificates.length + addresses.length === 0)
      throw new BuildError("CONFIG", `the tenant "${name}" has neither certificates nor addresses: nobody could be it`);
    for (const key of [
      ...certificates.map((one) => `the certificate "${one}"`),
      ...addresses.map((one) => `"${one}"`),
    ]) {
      const owner = owners.get(key);
      if (owner !== undefined) throw new BuildError("CONFIG", `${key} belongs to two tenants: ${owner} and ${name}`);
      owners.set(key, name);
    }
    const disk = space.disk === undefined ? settings.disk : diskSettingsOf(space.disk, `[tenant.${name}]`);
    return {
      name,
      certificates,
      addresses,
      settings: {
        ...settings,
        tenant: name,
        root: join(settings.root, "tenants", name),
        disk,
        mostTurns: maxParallelism,
      },
    };
  });
}
