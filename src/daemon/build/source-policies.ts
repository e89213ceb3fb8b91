// Rules about sources as clients send them (BuildKit, sourcepolicy/pb/policy.proto).

import { BuildError } from "../../../builder/core/errors.ts";
import type { ClientFolder } from "../../../builder/core/session.ts";
import type { SourcePolicy, SourceRule } from "../../../builder/source-policy.ts";
import type { SourcePolicyMessage } from "../../api/proto/control.ts";
import type { Of } from "../../api/proto/message.ts";

const ACTIONS = ["allow", "deny", "convert"] as const;
const MATCHES = ["wildcard", "exact", "regex"] as const;
const CONDITIONS = ["equal", "unequal", "matches"] as const;
const MOST_RULES = 10_000;

/** The rules of one policy. Throws `USAGE` for what has no meaning: what is not understood is never let pass. */
export function readPolicy({ version, rules }: Of<typeof SourcePolicyMessage>): SourcePolicy {
  if (version > 1) throw new BuildError("USAGE", `source policies of version ${version} are not known`);
  if (rules.length > MOST_RULES) throw new BuildError("USAGE", `a source policy of more than ${MOST_RULES} rules`);
  return rules.map(({ action, selector, updates }): SourceRule => {
    if (selector === undefined) throw new BuildError("USAGE", "a rule of the source policy has no selector");
    const { identifier, match, constraints } = selector;
    return {
      action: known(ACTIONS, action, "action"),
      identifier,
      match: known(MATCHES, match, "match type"),
      constraints: constraints.map(({ key, value, condition }) => ({
        key,
        value,
        condition: known(CONDITIONS, condition, "condition"),
      })),
      updates,
    };
  });
}

function known<T>(words: readonly T[], number: number, what: string): T {
  const word = words[number];
  if (word === undefined)
    throw new BuildError("USAGE", `a rule of the source policy has an unknown ${what}: ${number}`);
  return word;
}

/** A client's folder that is asked for only when policies let it pass. */
export function policedFolder(folder: ClientFolder, name: string, policies: readonly SourcePolicy[]): ClientFolder {
  if (policies.length === 0) return folder;
  const check = async (): Promise<void> => {
    const { applyPolicies, requireAllowed } = await import("../../../builder/source-policy.ts");
    requireAllowed(`local://${name}`, (source) => applyPolicies(policies, source));
  };
  return {
    read: async (paths) => {
      await check();
      return await folder.read(paths);
    },
    bring: async (...asked) => {
      await check();
      return await folder.bring(...asked);
    },
  };
}
