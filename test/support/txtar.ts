// The txtar format (golang.org/x/tools/txtar): a comment, then files, each after a line `-- name --`. One text file
// holds a whole test: what is typed, the files it works on, what is expected.

export interface Archive {
  readonly comment: string;
  readonly files: ReadonlyMap<string, string>;
}

/** Reads an archive. Every text is one; a name that stands twice or leads out of the folder throws. */
export function parseTxtar(text: string): Archive {
  const [comment = "", ...parts] = text.split(/^-- (.+) --\n/m);
  const files = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) {
    const name = parts[at]?.trim() ?? "";
    if (files.has(name)) throw new Error(`txtar: "${name}" is there twice`);
    if (name.startsWith("/") || name.split("/").includes("..")) throw new Error(`txtar: "${name}" leads out`);
    files.set(name, parts[at + 1] ?? "");
  }
  return { comment, files };
}
