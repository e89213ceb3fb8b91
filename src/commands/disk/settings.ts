// How much of the disk the store may have: `[disk]` in tsbuild.toml (of the user, else of the system), and
// TSBUILD_MAX_USED_SPACE, which comes before both.

import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Amount, DiskRule, DiskSettings } from "../../../builder/disk-settings.ts";
import { DEFAULT_SETTINGS, ruleOf } from "../../../builder/disk-settings.ts";
import { parseDuration } from "../../cli/values/disk-filter.ts";
import { parseSize } from "../../cli/values/sizes.ts";
import { CEILING_VARIABLE, diskSettingFiles } from "../../config/disk-file.ts";
import type { Environment } from "../../config/environment.ts";
import { checkShape } from "../../config/files/shape.ts";
import { readToml } from "../../config/files/toml-file.ts";

const AmountText = v.union([v.string(), v.number()]);
const Amounts = {
  "max-used-space": v.exactOptional(AmountText),
  "reserved-space": v.exactOptional(AmountText),
  "min-free-space": v.exactOptional(AmountText),
};
const Rule = v.strictObject({
  ...Amounts,
  all: v.exactOptional(v.boolean()),
  filters: v.exactOptional(v.array(v.string())),
  "keep-duration": v.exactOptional(v.string()),
});
const Disk = v.strictObject({
  ...Amounts,
  gc: v.exactOptional(v.boolean()),
  rule: v.exactOptional(v.array(Rule)),
});
const File = v.looseObject({ disk: v.exactOptional(Disk) });
type Amounts = Pick<v.InferOutput<typeof Rule>, keyof typeof Amounts>;

/** The settings; undefined where nobody says anything. Throws `CONFIG`. */
export async function readDiskSettings(environment: Environment): Promise<DiskSettings | undefined> {
  const variable = environment[CEILING_VARIABLE];
  let settings: DiskSettings | undefined;
  for (const path of diskSettingFiles(environment)) {
    const written = await readToml(path);
    if (written === undefined) continue;
    settings = diskSettingsOf(checkShape(File, written, `"${path}"`).disk ?? {}, `"${path}", [disk]`);
    break;
  }
  if (variable === undefined || variable === "") return settings;
  return { ...(settings ?? DEFAULT_SETTINGS), ceiling: amountOf(variable, CEILING_VARIABLE) };
}

/** The settings that another file says, in the words of `[disk]` in tsbuild.toml. Throws `CONFIG`. */
export function diskSettingsOf(disk: v.InferOutput<typeof Disk>, where: string): DiskSettings {
  const caps = amountsOf(disk, where);
  const ceiling = caps.maxUsed ?? DEFAULT_SETTINGS.ceiling;
  if (disk.gc === false) return { ceiling, rules: [] };
  if (disk.rule !== undefined) {
    return { ceiling, rules: disk.rule.map((rule, at) => readRule(rule, `${where}, rule ${at + 1}`)) };
  }
  // The amounts are those of the rules that are for everything, too.
  const rules = DEFAULT_SETTINGS.rules.map((rule) => (rule.filter === undefined ? { ...rule, ...caps } : rule));
  return { ceiling, rules };
}

function readRule(rule: v.InferOutput<typeof Rule>, where: string): DiskRule {
  try {
    return ruleOf({
      all: rule.all ?? false,
      filters: rule.filters ?? [],
      keepMs: rule["keep-duration"] === undefined ? 0 : parseDuration(rule["keep-duration"], "keep-duration"),
      ...amountsOf(rule, where),
    });
  } catch (error) {
    throw asConfigError(error, where);
  }
}

type Caps = Partial<Pick<DiskRule, "maxUsed" | "reserved" | "minFree">>;

function amountsOf(amounts: Amounts, where: string): Caps {
  const caps: { -readonly [K in keyof Caps]: Caps[K] } = {};
  const { "max-used-space": maxUsed, "reserved-space": reserved, "min-free-space": minFree } = amounts;
  if (maxUsed !== undefined) caps.maxUsed = amountOf(maxUsed, `${where}: max-used-space`);
  if (reserved !== undefined) caps.reserved = amountOf(reserved, `${where}: reserved-space`);
  if (minFree !== undefined) caps.minFree = amountOf(minFree, `${where}: min-free-space`);
  return caps;
}

/** "50GB", "80%", or a number of bytes. Throws `CONFIG`. */
export function amountOf(text: string | number, what: string): Amount {
  if (typeof text === "number") return { bytes: text };
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim())?.[1];
  if (percent !== undefined) return { percent: Number(percent) };
  try {
    return { bytes: parseSize(text, what) };
  } catch (error) {
    throw asConfigError(error, undefined);
  }
}

function asConfigError(error: unknown, where: string | undefined): unknown {
  if (!(error instanceof BuildError) || error.code !== "USAGE") return error;
  const message = where === undefined ? error.message : `${where}: ${error.message}`;
  return new BuildError("CONFIG", message, { cause: error, hint: error.hint });
}
