// What of targets has to be right before they are shown: buildx prints nothing that it could not ask of a builder.

import { parsePlatform } from "../../../builder/core/image/platform.ts";
import { secretText, sshText } from "../../bake/entries.ts";
import type { Target } from "../../bake/target.ts";
import { parseAnnotation } from "../../cli/values/annotation-spec.ts";
import { parseSecret } from "../../cli/values/secret-spec.ts";
import { parseSize } from "../../cli/values/sizes.ts";
import { parseSsh } from "../../cli/values/ssh-spec.ts";
import { parseUlimit } from "../../cli/values/ulimit-spec.ts";
import type { Environment } from "../../config/environment.ts";
import { checkOffered } from "../../config/session.ts";
import { named } from "./request.ts";

/** Throws `USAGE` or `INPUT_MISSING` with the name of the first target that has something no build takes. */
export async function checkTargets(targets: ReadonlyMap<string, Target>, environment: Environment): Promise<void> {
  for (const [name, target] of targets) await named(name, () => checkTarget(target, environment));
}

async function checkTarget(target: Target, environment: Environment): Promise<void> {
  for (const platform of (target.platforms ?? []).flatMap((text) => text.split(","))) parsePlatform(platform);
  for (const annotation of target.annotations ?? []) parseAnnotation(annotation);
  for (const ulimit of target.ulimits ?? []) parseUlimit(ulimit);
  const size = target["shm-size"];
  if (size) parseSize(size, "shm-size");
  const secrets = (target.secret ?? []).map((secret) => parseSecret(secretText(secret)));
  const ssh = (target.ssh ?? []).map((agent) => parseSsh(sshText(agent)));
  await checkOffered({ secrets, ssh, environment });
}
