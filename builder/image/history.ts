// Which layer an entry of the history made: those that are not "empty_layer" stand for the layers, in order. And which one
// a field of the config comes from.

import type { HistoryEntry, ImageConfig } from "../core/image/image-config.ts";

/** One entry of the history, bottom first. */
export interface HistoryStep {
  readonly entry: HistoryEntry;
  /** Number of its layer, from 0; undefined when it made none. */
  readonly layer: number | undefined;
}

/** The history with its layers. An entry beyond the last layer made none, whatever it says. */
export function historySteps(config: ImageConfig): HistoryStep[] {
  const layers = config.rootfs.diff_ids.length;
  let next = 0;
  return (config.history ?? []).map((entry) => {
    const layer = entry.empty_layer === true || next >= layers ? undefined : next++;
    return { entry, layer };
  });
}

/** The instruction of each layer, bottom first; undefined where the history tells of fewer layers. */
export function layerInstructions(config: ImageConfig): (string | undefined)[] {
  const found: (string | undefined)[] = config.rootfs.diff_ids.map(() => undefined);
  for (const { entry, layer } of historySteps(config)) {
    if (layer !== undefined) found[layer] = entry.created_by;
  }
  return found;
}

/** The instruction that a field of the config comes from, by the name that `compareStatements` gives it: the last one that sets it; undefined where the history names none. */
export function fieldInstruction(config: ImageConfig, field: string): string | undefined {
  const [, name = "", key] = /^config\.(\w+)(?:\.(\w+)|\[.*\])?$/.exec(field) ?? [];
  const keyword = KEYWORDS[name];
  if (keyword === undefined) return undefined;
  const word = key ?? (field.includes("[") ? String(JSON.parse(field.slice(field.indexOf("[") + 1, -1))) : "");
  const told = (config.history ?? []).map(({ created_by: by = "" }) => by.replace(/^\/bin\/sh -c #\(nop\)\s+/, ""));
  return told.findLast((by) => by.startsWith(`${keyword} `) && (word === "" || hasWord(by, word)));
}

/** Whether a text has a word that is not a part of a longer one. */
function hasWord(text: string, word: string): boolean {
  const escaped = word.replaceAll(/[^\w]/g, "\\$&");
  return new RegExp(`(?<![\\w./-])${escaped}(?![\\w./-])`).test(text);
}

const KEYWORDS: Readonly<Record<string, string>> = {
  Cmd: "CMD",
  Entrypoint: "ENTRYPOINT",
  Env: "ENV",
  ExposedPorts: "EXPOSE",
  Healthcheck: "HEALTHCHECK",
  Labels: "LABEL",
  OnBuild: "ONBUILD",
  Shell: "SHELL",
  StopSignal: "STOPSIGNAL",
  User: "USER",
  Volumes: "VOLUME",
  WorkingDir: "WORKDIR",
};
