// What the paths in a definition name.

import { isAbsolute, join, normalize, resolve } from "node:path";

/** In front of a path that is this machine's, wherever the definition lies. */
export const HERE = "cwd://";

/** The folder that a context names; undefined for what is none. */
export function localPath(text: string): string | undefined {
  if (text.startsWith(HERE)) return text.slice(HERE.length) || ".";
  if (/^[\w-]+:\/\//.test(text) || /^(?:target|service|input):/.test(text)) return undefined;
  return isRemoteUrl(text) ? undefined : text;
}

/** Whether a text names something on another machine: a file by URL, or a repository. */
export function isRemoteUrl(text: string): boolean {
  return /^(?:https?|git|ssh):\/\//.test(text) || /^[\w.-]+@[\w.-]+:/.test(text) || text.startsWith("github.com/");
}

/** A path as Go's filepath cleans it. */
export function cleanPath(path: string): string {
  const clean = normalize(path);
  return clean === "/" ? clean : clean.replace(/\/$/, "");
}

/** A context of a definition whose relative paths lead where `at` says. */
export function contextAt(text: string, at: (path: string) => string): string {
  if (text.startsWith(HERE)) return text;
  const path = localPath(text);
  return path === undefined ? text : at(cleanPath(path));
}

/** A Dockerfile's path: in the context, unless it is somewhere else. `folder` is undefined for a context that is no folder here. */
export function dockerfilePath(text: string, folder: string | undefined): string {
  if (text.startsWith(HERE)) return folder === undefined ? resolve(text.slice(HERE.length)) : text.slice(HERE.length);
  return folder === undefined || isAbsolute(text) || /^https?:\/\//.test(text) ? text : join(folder, text);
}
