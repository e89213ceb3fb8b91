// Instructions that set something: FROM, ARG, ENV, LABEL, USER, EXPOSE and the like.

import { quote } from "../convert/config/go-text.ts";
import type {
  Arg,
  ArgDeclaration,
  Env,
  Expose,
  From,
  KeyValue,
  Label,
  Maintainer,
  Onbuild,
  StopSignal,
  User,
  Volume,
  Workdir,
} from "../instruction.ts";
import type { RawNode } from "../parse.ts";
import { trimSpace } from "../space.ts";
import { baseOf, onlyArgument, requireArguments } from "./base.ts";
import { readFlags } from "./flags.ts";

export function readFrom(node: RawNode): From {
  const stageName = readStageName(node.args);
  const { platform } = readFlags(node.flags, { platform: "string" });
  const image = node.args[0] ?? "";
  return { kind: "from", ...baseOf(node), image, platform: platform === "" ? undefined : platform, stageName };
}

/** In lower case, as stages are found. */
function readStageName(args: readonly string[]): string | undefined {
  const [, as = "", written = ""] = args;
  if (args.length === 1) return undefined;
  if (args.length !== 3 || !/^as$/iu.test(as)) throw new Error("FROM requires either one or three arguments");
  const name = written.toLowerCase();
  if (/^[a-z][a-z0-9._-]*$/.test(name)) return name;
  throw new Error(`invalid name for build stage: ${quote(written)}, name can't start with a number or contain symbols`);
}

/** ARG knows no flags and passes over them, as in BuildKit. */
export function readArg(node: RawNode): Arg {
  requireArguments(node.args, "ARG");
  const descriptions = descriptionsIn(node.comments);
  return { kind: "arg", ...baseOf(node), args: node.args.map((word) => declaration(word, descriptions)) };
}

/** What comments say of the name that they begin with; of several the first one. */
function descriptionsIn(comments: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of comments) {
    const space = line.indexOf(" ");
    const name = line.slice(0, space);
    if (space >= 0 && !found.has(name)) found.set(name, line.slice(space + 1));
  }
  return found;
}

function declaration(word: string, descriptions: ReadonlyMap<string, string>): ArgDeclaration {
  const at = word.indexOf("=");
  if (at === 0) throw new Error("ARG names can not be blank");
  const key = at < 0 ? word : word.slice(0, at);
  const value = at < 0 ? undefined : word.slice(at + 1);
  const comment = descriptions.get(key);
  return { key, value, ...(comment === undefined ? {} : { comment }) };
}

export function readEnv(node: RawNode): Env {
  readFlags(node.flags, {});
  return { kind: "env", ...baseOf(node), pairs: readPairs(node, "ENV") };
}

export function readLabel(node: RawNode): Label {
  readFlags(node.flags, {});
  return { kind: "label", ...baseOf(node), pairs: readPairs(node, "LABEL") };
}

function readPairs(node: RawNode, name: string): KeyValue[] {
  requireArguments(node.args, name);
  const pairs: KeyValue[] = [];
  for (let at = 0; at < node.args.length; at += 3) {
    const [key = "", value = "", delimiter] = node.args.slice(at, at + 3);
    if (key === "") throw new Error(`${name} names can not be blank`);
    pairs.push({ key, value, ...(delimiter === "" ? { noDelimiter: true } : {}) });
  }
  return pairs;
}

export function readMaintainer(node: RawNode): Maintainer {
  const name = onlyArgument(node, "MAINTAINER");
  readFlags(node.flags, {});
  return { kind: "maintainer", ...baseOf(node), name };
}

export function readWorkdir(node: RawNode): Workdir {
  const path = onlyArgument(node, "WORKDIR");
  readFlags(node.flags, {});
  return { kind: "workdir", ...baseOf(node), path };
}

export function readUser(node: RawNode): User {
  const user = onlyArgument(node, "USER");
  readFlags(node.flags, {});
  return { kind: "user", ...baseOf(node), user };
}

/** STOPSIGNAL passes over flags, as in BuildKit. */
export function readStopSignal(node: RawNode): StopSignal {
  return { kind: "stopsignal", ...baseOf(node), signal: onlyArgument(node, "STOPSIGNAL") };
}

/** Ports are sorted as written, before expansion. */
export function readExpose(node: RawNode): Expose {
  requireArguments(node.args, "EXPOSE");
  readFlags(node.flags, {});
  return { kind: "expose", ...baseOf(node), ports: node.args.toSorted() };
}

export function readVolume(node: RawNode): Volume {
  requireArguments(node.args, "VOLUME");
  readFlags(node.flags, {});
  const paths = node.args.map(trimSpace);
  if (paths.includes("")) throw new Error("VOLUME specified can not be an empty string");
  return { kind: "volume", ...baseOf(node), paths };
}

/** The trigger is checked only as far as BuildKit does: whether it may be one at all. */
export function readOnbuild(node: RawNode): Onbuild {
  if (node.sub === undefined) throw new Error("ONBUILD requires at least one argument");
  readFlags(node.flags, {});
  const trigger = trimSpace(node.sub.keyword).toUpperCase();
  if (trigger === "ONBUILD") throw new Error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "FROM" || trigger === "MAINTAINER") {
    throw new Error(`${trigger} isn't allowed as an ONBUILD trigger`);
  }
  const line = node.original.replace(/^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i, "");
  const bodies = node.heredocs.map(({ content, name }) => `\n${content}${name}`);
  return { kind: "onbuild", ...baseOf(node), expression: line + bodies.join("") };
}
