// ADD and COPY.

import { chompTabs, heredocOrWord } from "../heredoc.ts";
import type { Add, Copy, CopyLike, InlineSource } from "../instruction.ts";
import type { RawNode } from "../parse.ts";
import { baseOf } from "./base.ts";
import { readFlags } from "./flags.ts";

export function readAdd(node: RawNode): Add {
  requireDestination(node, "ADD");
  const flags = readFlags(node.flags, {
    chown: "string",
    chmod: "string",
    link: "bool",
    "keep-git-dir": "bool",
    checksum: "string",
    unpack: "bool",
    exclude: "strings",
  });
  return {
    kind: "add",
    ...baseOf(node),
    ...pathsOf(node, "ADD"),
    chown: given(flags.chown),
    chmod: given(flags.chmod),
    link: flags.link === true,
    parents: false,
    excludes: flags.exclude,
    checksum: given(flags.checksum),
    keepGitDir: flags["keep-git-dir"],
    unpack: flags.unpack,
  };
}

export function readCopy(node: RawNode): Copy {
  requireDestination(node, "COPY");
  const flags = readFlags(node.flags, {
    chown: "string",
    from: "string",
    chmod: "string",
    link: "bool",
    exclude: "strings",
    parents: "bool",
  });
  return {
    kind: "copy",
    ...baseOf(node),
    ...pathsOf(node, "COPY"),
    from: given(flags.from),
    chown: given(flags.chown),
    chmod: given(flags.chmod),
    link: flags.link === true,
    parents: flags.parents === true,
    excludes: flags.exclude,
  };
}

function requireDestination(node: RawNode, name: string): void {
  if (node.args.length >= 2) return;
  throw new Error(
    `${name} requires at least two arguments, but only one was provided. Destination could not be determined`,
  );
}

/** An empty value is as none. */
function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** Paths, and here-documents among them; of several with one name, all are the last one. */
function pathsOf(node: RawNode, name: string): Pick<CopyLike, "sources" | "inline" | "destination"> {
  const destination = node.args.at(-1) ?? "";
  if (heredocOrWord(destination) !== undefined) throw new Error(`${name} cannot accept a heredoc as a destination`);
  const contents = new Map(node.heredocs.map((heredoc) => [heredoc.name, heredoc.content]));
  const sources: string[] = [];
  const inline: InlineSource[] = [];
  for (const word of node.args.slice(0, -1)) {
    const heredoc = heredocOrWord(word);
    if (heredoc === undefined) {
      sources.push(word);
      continue;
    }
    const content = contents.get(heredoc.name) ?? "";
    inline.push({ path: heredoc.name, content: heredoc.chomp ? chompTabs(content) : content, expand: heredoc.expand });
  }
  return { sources, inline, destination };
}
