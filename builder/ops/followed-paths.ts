// Which paths of a folder on another machine a build reads: the others need not come here (BuildKit, dockerfile2llb,
// normalizeContextPaths, and fsutil, followlinks.go: the client follows the links among them and brings what they lead to).

import type { Reader } from "./context-files.ts";

/** Paths and patterns, sorted, each once; empty: all of the folder. */
export function followedPaths(readers: readonly Reader[]): readonly string[] {
  const paths = readers.flatMap(pathsOf).map(plain);
  if (paths.length === 0 || paths.includes("")) return [];
  return [...new Set(paths)].toSorted();
}

function pathsOf({ op, input }: Reader): readonly string[] {
  switch (op.kind) {
    case "file": {
      if (op.destination === input) return [""];
      return op.actions.flatMap((action) =>
        action.action === "copy" && action.from === input
          ? [action.allowWildcard ? action.source : literal(action.source)]
          : [],
      );
    }
    case "exec":
      if (op.rootInput === input) return [""];
      return op.mounts.flatMap((mount) =>
        (mount.type === "bind" || mount.type === "cache") && mount.input === input ? [literal(mount.selector)] : [],
      );
    case "source":
    case "merge":
    case "diff":
      return [""];
  }
}

/** What the client would take for a pattern is cut off: all that lies beside it comes, too. */
function literal(path: string): string {
  return upTo(path, (part) => /[*?[\\]/.test(part));
}

/** Relative and without dots. A pattern for any depth is cut off: clients look into one folder for each of its parts. */
function plain(path: string): string {
  const parts: string[] = [];
  for (const part of upTo(path, (one) => one.includes("**")).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function upTo(path: string, isEnd: (part: string) => boolean): string {
  const parts = path.split("/");
  const end = parts.findIndex(isEnd);
  return (end < 0 ? parts : parts.slice(0, end)).join("/");
}
