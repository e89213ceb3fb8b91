// Logins to registries of clouds for a job, where its configuration files have none: for who the pod is to the cloud.

import { CloudLogins } from "../../../builder/cloud.ts";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Session } from "../../../builder/core/session.ts";
import type { Arguments } from "../../cli/flags.ts";
import { listOf } from "../../cli/flags.ts";
import type { CloudHelper } from "../../config/cloud/registry-ways.ts";
import { CLOUD_HELPERS } from "../../config/cloud/registry-ways.ts";
import { MissingHelper } from "../../config/credentials/credential-helper.ts";
import type { Environment } from "../../config/environment.ts";
import { definedOnly } from "../build/request.ts";

/** The clouds that `--credential-helpers` names; all of them without it, none where it is empty. Throws `USAGE`. */
export function cloudHelpers(args: Arguments): readonly CloudHelper[] {
  if (!args.values.has("credential-helpers")) return CLOUD_HELPERS;
  return listOf(args, "credential-helpers")
    .flatMap((text) => text.split(","))
    .filter((name) => name !== "")
    .map((name) => {
      const found = CLOUD_HELPERS.find((helper) => helper === name);
      if (found !== undefined) return found;
      throw new BuildError("USAGE", `--credential-helpers: "${name}" is none of ${CLOUD_HELPERS.join(", ")}`);
    });
}

/** The session with those logins. What a configuration file has comes first. */
export function withCloudLogins(
  session: Session,
  environment: Environment,
  helpers: readonly CloudHelper[],
  signal: AbortSignal,
): Session {
  if (helpers.length === 0) return session;
  const wayOf = async (
    registry: string,
  ): ReturnType<typeof import("../../config/cloud/registry-ways.ts").registryWay> => {
    const { registryWay } = await import("../../config/cloud/registry-ways.ts");
    return await registryWay(registry, environment, helpers);
  };
  const logins = new CloudLogins(wayOf, definedOnly(environment));
  return {
    ...session,
    credentials: async (registry, repository) => {
      let missing: MissingHelper | undefined;
      try {
        const found = await session.credentials(registry, repository);
        if (found !== undefined) return found;
      } catch (error) {
        // kaniko's images bring the clouds' helpers, and configurations name them; here they are built in.
        if (!(error instanceof MissingHelper)) throw error;
        missing = error;
      }
      const found = await logins.credentials(registry, signal);
      if (found === undefined && missing !== undefined) throw missing;
      return found;
    },
  };
}
