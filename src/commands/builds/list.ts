// `tsbuild builds ls`: one line a build, with the filters and formats of `docker buildx history ls`.

import { BuildError } from "../../../builder/core/errors.ts";
import type { ListedBuild } from "../../../builder/builds.ts";
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
import { exactly, readArguments } from "../command.ts";
import { formatTable } from "../table.ts";
import { historyAt } from "./history-at.ts";

const STATUS = { running: "Running", completed: "Completed", error: "Error", canceled: "Canceled" } as const;
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
  const history = await historyAt(context, args);
  const found = (await history.list()).filter((build) => filters.every((filter) => filter(filteredBuild(build, now))));
  const look = { now, isQuiet: isOn(args, "quiet"), isWhole: isOn(args, "no-trunc") };
  await context.print(text(found, isOn(args, "json") ? "json" : textOf(args, "format"), look));
  return 0;
};

interface Look {
  readonly now: number;
  readonly isQuiet: boolean;
  readonly isWhole: boolean;
}

function text(builds: readonly ListedBuild[], format: string | undefined, look: Look): string {
  if (look.isQuiet) return builds.map(({ id }) => `${id}\n`).join("");
  if (format === "json") return builds.map((build) => `${JSON.stringify(jsonOf(build))}\n`).join("");
  const rows = builds.map((build) => fieldsOf(build, look));
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

function fieldsOf(build: ListedBuild, { now, isWhole }: Look): TemplateFields {
  const { id, what, startedMs, endedMs, status, steps, cached, error } = build;
  const name = printable(what);
  return {
    Ref: id,
    Name: isWhole ? name : cut(name, NAME_COLUMNS),
    Status: STATUS[status],
    CreatedAt: humanAge(new Date(startedMs).toISOString(), now),
    CompletedAt: endedMs === undefined ? "" : humanAge(new Date(endedMs).toISOString(), now),
    Duration: humanTook((endedMs ?? now) - startedMs),
    Steps: steps,
    Cached: cached,
    Error: error === undefined ? "" : printable(error),
  };
}

/** With the keys of buildx's. */
function jsonOf({
  id,
  what,
  startedMs,
  endedMs,
  status,
  steps,
  completed,
  cached,
  error,
  digest,
}: ListedBuild): object {
  const end =
    endedMs === undefined ? {} : { completed_at: new Date(endedMs).toISOString(), duration_ms: endedMs - startedMs };
  return {
    ref: id,
    name: what,
    status: STATUS[status],
    created_at: new Date(startedMs).toISOString(),
    ...end,
    total_steps: steps,
    completed_steps: completed,
    cached_steps: cached,
    ...(error === undefined ? {} : { error }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function filteredBuild({ id, what, startedMs, endedMs = Infinity, status }: ListedBuild, now: number): FilteredBuild {
  const duration = Math.min(endedMs, now) - startedMs;
  return { ref: id, name: what, status, startedAt: startedMs, completedAt: endedMs, duration };
}
