// `tsbuild builds ls`: one line a build, with the filters and formats of `docker buildx history ls`.

import { BuildError } from "../../../builder/core/errors.ts";
import type { BuildRecord } from "../../../builder/builds.ts";
import type { FilteredBuild } from "../../cli/values/build-filter.ts";
import { parseBuildFilter } from "../../cli/values/build-filter.ts";
import { BUILDS_LIST_FLAGS } from "../../cli/flags/builds-flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import type { TemplateFields } from "../../cli/go-template.ts";
import { parseTemplate } from "../../cli/go-template.ts";
import { humanAge, humanTook } from "../../cli/human.ts";
import { printable } from "../../cli/printable.ts";
import { cut } from "../../progress/terminal-text.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments, rootOf } from "../command.ts";
import { formatTable } from "../table.ts";

const STATUS = { completed: "Completed", error: "Error", canceled: "Canceled" } as const;
/** As buildx's. */
const HEADINGS: Readonly<Record<string, string>> = {
  Ref: "BUILD ID",
  Name: "NAME",
  Status: "STATUS",
  CreatedAt: "CREATED AT",
  CompletedAt: "COMPLETED AT",
  Duration: "DURATION",
  Steps: "STEPS",
  Cached: "CACHED",
  Error: "ERROR",
};
const TABLE = ["Ref", "Name", "Status", "CreatedAt", "Duration"];
const NAME_COLUMNS = 60;

/** Lists builds, the newest first. */
export const listBuilds: Command = async (context) => {
  const args = await readArguments(
    context,
    BUILDS_LIST_FLAGS,
    "Usage:  tsbuild builds ls [OPTIONS]\n\nLists the builds that are remembered, the newest first.",
  );
  if (args === undefined) return 0;
  exactly(args, 0, "builds ls", "none");
  const now = Date.now();
  const filters = listOf(args, "filter").map((text) => parseBuildFilter(text, now));
  const { rememberedBuilds } = await import("../../../builder/builds.ts");
  const found = rememberedBuilds(rootOf(context, args)).filter((record) =>
    filters.every((filter) => filter(filteredBuild(record))),
  );
  const look = { now, isQuiet: isOn(args, "quiet"), isWhole: isOn(args, "no-trunc") };
  await context.print(text(found, isOn(args, "json") ? "json" : textOf(args, "format"), look));
  return 0;
};

interface Look {
  readonly now: number;
  readonly isQuiet: boolean;
  readonly isWhole: boolean;
}

function text(records: readonly BuildRecord[], format: string | undefined, look: Look): string {
  if (look.isQuiet) return records.map(({ id }) => `${id}\n`).join("");
  if (format === "json") return records.map((record) => `${JSON.stringify(jsonOf(record))}\n`).join("");
  const rows = records.map((record) => fieldsOf(record, look));
  if (format === undefined || format === "table") return table(rows, TABLE);
  const columns = /^table\s+(.*)$/s.exec(format)?.[1];
  if (columns === undefined) {
    const line = parseTemplate(format, Object.keys(HEADINGS));
    return rows.map((row) => `${line(row)}\n`).join("");
  }
  const names = [...columns.matchAll(/\{\{\s*\.(\w+)\s*\}\}/g)].map(([, name = ""]) => name);
  const unknown = names.find((name) => !(name in HEADINGS));
  if (names.length === 0 || unknown !== undefined)
    throw new BuildError("USAGE", `--format: "${columns}" names no columns of builds`, {
      hint: `columns are ${Object.keys(HEADINGS).join(", ")}`,
    });
  return table(rows, names);
}

function table(rows: readonly TemplateFields[], names: readonly string[]): string {
  const cells = rows.map((row) => names.map((name) => String(row[name] ?? "")));
  return formatTable([names.map((name) => HEADINGS[name] ?? name), ...cells]);
}

function fieldsOf(record: BuildRecord, { now, isWhole }: Look): TemplateFields {
  const { id, what, startedMs, endedMs, status, failure, timeline } = record;
  const name = printable(what);
  return {
    Ref: id,
    Name: isWhole ? name : cut(name, NAME_COLUMNS),
    Status: STATUS[status],
    CreatedAt: humanAge(new Date(startedMs).toISOString(), now),
    CompletedAt: humanAge(new Date(endedMs).toISOString(), now),
    Duration: humanTook(endedMs - startedMs),
    Steps: timeline.steps.length,
    Cached: timeline.steps.filter(({ cached }) => cached === true).length,
    Error: failure === undefined ? "" : printable(failure.message),
  };
}

/** With the keys of buildx's. */
function jsonOf({ id, what, startedMs, endedMs, status, failure, timeline, result }: BuildRecord): object {
  return {
    ref: id,
    name: what,
    status: STATUS[status],
    created_at: new Date(startedMs).toISOString(),
    completed_at: new Date(endedMs).toISOString(),
    duration_ms: endedMs - startedMs,
    total_steps: timeline.steps.length,
    completed_steps: timeline.steps.filter(({ completedMs, error }) => completedMs !== undefined && error === undefined)
      .length,
    cached_steps: timeline.steps.filter(({ cached }) => cached === true).length,
    ...(failure === undefined ? {} : { error: failure.message }),
    ...(result?.digest === undefined ? {} : { digest: result.digest }),
  };
}

function filteredBuild({ id, what, startedMs, endedMs, status }: BuildRecord): FilteredBuild {
  return { ref: id, name: what, status, startedAt: startedMs, completedAt: endedMs, duration: endedMs - startedMs };
}
