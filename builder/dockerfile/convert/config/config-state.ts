// Instructions that change nothing but the image's config and history.

import type { HealthConfig } from "../../../core/image/image-config.ts";
import type {
  Cmd,
  Entrypoint,
  Env,
  Healthcheck,
  Label,
  Maintainer,
  Onbuild,
  Shell,
  StopSignal,
  User,
  Volume,
} from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { fault } from "../fault.ts";
import { formatDuration, plainList, quoteList } from "./go-text.ts";
import { withAddition, withConfig, withHistory } from "./image-draft.ts";
import { withShell } from "../run/shell.ts";
import { isSignal } from "./signals.ts";
import { stageOs } from "../stages/stage.ts";
import type { Stage } from "../stages/stage.ts";
import { expandIn } from "../variables/words.ts";

/** ENV: values are expanded with what was there before the instruction. */
export function applyEnv(conversion: Conversion, stage: Stage, instruction: Env): void {
  const pairs = expandPairs(conversion, stage, instruction);
  for (const { key, value } of pairs) {
    conversion.findings.secretInName("ENV", key, instruction.range);
    stage.variables = stage.variables.withEnv(key, value);
    stage.draft = withAddition(stage.draft, { to: "Env", name: key, value });
  }
  stage.draft = withHistory(stage.draft, ["ENV", ...pairs.map(asText)].join(" "), "empty");
}

export function applyLabel(conversion: Conversion, stage: Stage, instruction: Label): void {
  const pairs = expandPairs(conversion, stage, instruction);
  for (const { key, value } of pairs) stage.draft = withAddition(stage.draft, { to: "Labels", name: key, value });
  stage.draft = withHistory(stage.draft, ["LABEL", ...pairs.map(asText)].join(" "), "empty");
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

function expandPairs(conversion: Conversion, stage: Stage, instruction: Env | Label): Pair[] {
  const expand = (word: string): string => expandIn(conversion, stage, instruction.range, word);
  const pairs = instruction.pairs.map(({ key, value }) => ({ key: expand(key), value: expand(value) }));
  for (const { noDelimiter } of instruction.pairs) {
    if (noDelimiter === true) conversion.findings.legacyKeyValue(instruction.keyword, instruction.range);
  }
  return pairs;
}

function asText({ key, value }: Pair): string {
  return `${key}=${value}`;
}

export function applyMaintainer(stage: Stage, instruction: Maintainer): void {
  stage.draft = withHistory({ ...stage.draft, author: instruction.name }, `MAINTAINER ${instruction.name}`, "empty");
}

export function applyCmd(conversion: Conversion, stage: Stage, instruction: Cmd): void {
  markUse(conversion, stage, instruction);
  const args = commandOf(conversion, stage, instruction);
  stage.draft = withConfig(stage.draft, { Cmd: args, ArgsEscaped: true });
  stage.draft = withHistory(stage.draft, `CMD ${quoteList(args)}`, "empty");
}

/** ENTRYPOINT drops a CMD that the stage did not set itself. */
export function applyEntrypoint(conversion: Conversion, stage: Stage, instruction: Entrypoint): void {
  markUse(conversion, stage, instruction);
  const args = commandOf(conversion, stage, instruction);
  const inherited = stage.lastUse.has("cmd") ? {} : { Cmd: undefined };
  stage.draft = withConfig(stage.draft, { Entrypoint: args, ...inherited });
  stage.draft = withHistory(stage.draft, `ENTRYPOINT ${quoteList(args)}`, "empty");
}

function commandOf(
  conversion: Conversion,
  stage: Stage,
  { command, keyword, range }: Cmd | Entrypoint,
): readonly string[] {
  if (command.form === "exec") return command.args;
  if ((stage.draft.config.Shell ?? []).length === 0) conversion.findings.shellForm(keyword, range);
  return withShell(stage, command.args);
}

export function applyHealthcheck(conversion: Conversion, stage: Stage, instruction: Healthcheck): void {
  markUse(conversion, stage, instruction);
  stage.draft = withConfig(stage.draft, { Healthcheck: healthConfig(instruction) });
  stage.draft = withHistory(stage.draft, `HEALTHCHECK ${healthText(instruction)}`, "empty");
}

/** Fields that are not said are left out, as Go's omitempty does. */
function healthConfig({
  test,
  intervalNs,
  timeoutNs,
  startPeriodNs,
  startIntervalNs,
  retries,
}: Healthcheck): HealthConfig {
  return {
    ...(test.length > 0 ? { Test: test } : {}),
    ...(intervalNs === 0 ? {} : { Interval: intervalNs }),
    ...(timeoutNs === 0 ? {} : { Timeout: timeoutNs }),
    ...(startPeriodNs === 0 ? {} : { StartPeriod: startPeriodNs }),
    ...(startIntervalNs === 0 ? {} : { StartInterval: startIntervalNs }),
    ...(retries === 0 ? {} : { Retries: retries }),
  };
}

function healthText({ test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries }: Healthcheck): string {
  const times = {
    Interval: intervalNs,
    Timeout: timeoutNs,
    StartPeriod: startPeriodNs,
    StartInterval: startIntervalNs,
  };
  const fields = Object.entries(times).map(([name, ns]) => `${name}:${formatDuration(ns)}`);
  return `{Test:${plainList(test)} ${fields.join(" ")} Retries:${retries}}`;
}

function markUse(conversion: Conversion, stage: Stage, { kind, keyword, range }: Cmd | Entrypoint | Healthcheck): void {
  const earlier = stage.lastUse.get(kind);
  if (earlier !== undefined) conversion.findings.onlyLastCounts(keyword, earlier);
  stage.lastUse.set(kind, range);
}

export function applyUser(conversion: Conversion, stage: Stage, instruction: User): void {
  const user = expandIn(conversion, stage, instruction.range, instruction.user);
  stage.draft = withHistory(withConfig(stage.draft, { User: user }), `USER ${user}`, "empty");
}

export function applyVolume(conversion: Conversion, stage: Stage, instruction: Volume): void {
  const paths = instruction.paths.map((path) => expandIn(conversion, stage, instruction.range, path));
  if (paths.includes("")) throw fault("VOLUME specified can not be an empty string");
  stage.draft = withAddition(stage.draft, { to: "Volumes", names: paths });
  stage.draft = withHistory(stage.draft, `VOLUME ${plainList(paths)}`, "empty");
}

export function applyStopSignal(conversion: Conversion, stage: Stage, instruction: StopSignal): void {
  const signal = expandIn(conversion, stage, instruction.range, instruction.signal);
  if (stageOs(stage) === "windows") throw fault("The daemon on this platform does not support the command stopsignal");
  if (!isSignal(signal)) throw fault(`invalid signal: ${signal}`);
  stage.draft = withHistory(withConfig(stage.draft, { StopSignal: signal }), `STOPSIGNAL ${signal}`, "empty");
}

export function applyShell(stage: Stage, instruction: Shell): void {
  stage.draft = withHistory(
    withConfig(stage.draft, { Shell: instruction.shell }),
    `SHELL ${plainList(instruction.shell)}`,
    "empty",
  );
}

/** ONBUILD only stores its trigger; history does not know it. */
export function applyOnbuild(stage: Stage, instruction: Onbuild): void {
  stage.triggers.push(instruction.expression);
}
