// What goes into the keys of a build's steps, gathered while keys are made, and kept for steps that were run.

import type { Withheld } from "../../attest/withheld.ts";
import { isSecretName, WITHHELD } from "../../attest/withheld.ts";
import type { KnownStep } from "../../cache/step-records.ts";
import type { Digest } from "../../core/digest.ts";
import { digestOf } from "../../core/digest.ts";
import { formatPlatform } from "../../core/image/platform.ts";
import type { CopyAction, ExecMount, ExecOp, FileAction, FileOp, OwnerSpec } from "../../graph/op.ts";
import type { Vertex } from "../../graph/vertex.ts";
import { canonicalJson } from "../../graph/vertex.ts";
import { redact } from "../../source/redact.ts";
import { builtUpon, definitionOf, KEY_FORMAT } from "../../ops/keys.ts";
import type { Ingredients, InputThen, ReadThen } from "../../records/ingredients.ts";
import type { Listings } from "../../records/listings.ts";
import type { KeyFilesByVertex } from "./step-files.ts";

/** What ingredients are made from. */
export interface IngredientSources {
  readonly keys: ReadonlyMap<Digest, Digest>;
  readonly files: KeyFilesByVertex;
  readonly listings: Listings;
  /** Build arguments whose values may be secret go by their names. */
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly withheld: Withheld;
  /** Where the context is. */
  readonly context: string;
}

/** The ingredients of one step; lists of files are kept on the way. */
export async function ingredientsOf(vertex: Vertex, sources: IngredientSources): Promise<Ingredients> {
  const { name, location } = vertex.options;
  const then = (number: number): InputThen => inputThen(vertex.inputs[number], sources);
  const reads: ReadThen[] = [];
  for (const { input, target, digest, entries } of sources.files.of(vertex)) {
    reads.push({
      from: input < 0 ? { name: "several places" } : then(input),
      ...(target === undefined ? {} : { target }),
      digest,
      isListed: await sources.listings.keep(digest, entries),
    });
  }
  return {
    name: sources.withheld.scrub(name),
    ...(location === undefined ? {} : { place: `${location.file}:${location.range.startLine}` }),
    context: sources.context,
    fields: fieldsOf(vertex, sources),
    bases: builtUpon(vertex).map(then),
    // Mounts are hashed side by side, and come in any order.
    reads: reads.toSorted((a, b) => ((a.target ?? "") < (b.target ?? "") ? -1 : 1)),
  };
}

/** A step as it is remembered. */
export function knownStep(
  key: Digest,
  vertex: Vertex,
  ingredients: Ingredients,
  { createdMs, isDone }: Pick<KnownStep, "createdMs" | "isDone">,
): KnownStep {
  return { key, ...placeOf(vertex, ingredients), createdMs, isDone, parts: JSON.stringify(ingredients) };
}

/** By what records of the same step are found, whatever it stood on or read, and by what those of its place. */
export function placeOf(vertex: Vertex, { fields }: Ingredients): Pick<KnownStep, "definition" | "site"> {
  const { name, location } = vertex.options;
  const [, label = "", instruction = ""] = /^(?:\[(.*?)(?:\/\d+)?\] )?(\S*)/s.exec(name) ?? [];
  return {
    definition: digestOf(canonicalJson([vertex.op.kind, fields])),
    site: digestOf(canonicalJson([location?.file ?? "", label.replaceAll(/\s+/g, " "), instruction])),
  };
}

function inputThen(vertex: Vertex | undefined, { keys, withheld }: IngredientSources): InputThen {
  if (vertex === undefined) return { name: "scratch" };
  const { op, options } = vertex;
  const key = keys.get(vertex.digest);
  const { location } = options;
  const image = op.kind === "source" && op.source.type === "image" ? op.source : undefined;
  // The image of a named context is none of the registry that its name would be of.
  const imageName = options.name.startsWith("[context ") ? options.name : (image?.name ?? "");
  return {
    ...(key === undefined ? {} : { key }),
    name: withheld.scrub(nameOf(vertex)),
    ...(location === undefined ? {} : { place: `${location.file}:${location.range.startLine}` }),
    ...(image === undefined ? {} : { image: { name: imageName.replace(/@sha256:.*$/, ""), digest: image.id } }),
  };
}

/** What an ADD fetches goes by where it is: the step has the name of the ADD, too. */
function nameOf({ op, options }: Vertex): string {
  if (op.kind !== "source" || options.name.startsWith("[internal]")) return options.name;
  const { source } = op;
  switch (source.type) {
    case "http":
      return redact(source.url);
    case "git": {
      const { url, ref } = source;
      return `${redact(url)}${ref === undefined ? "" : `#${ref}`}`;
    }
    case "image":
    case "local":
    case "archive":
      return options.name;
  }
}

/** Nothing that is withheld is in them, wherever an argument came to stand. */
function fieldsOf(vertex: Vertex, sources: IngredientSources): Record<string, string> {
  const { withheld } = sources;
  const fields = Object.entries(rawFieldsOf(vertex, sources));
  return Object.fromEntries(
    fields.map(([name, text]): [string, string] => [withheld.scrub(name), withheld.scrub(text)]),
  );
}

function rawFieldsOf({ op }: Vertex, sources: IngredientSources): Record<string, string> {
  const version = { "way to make keys": KEY_FORMAT };
  switch (op.kind) {
    case "exec":
      return { ...version, ...execFields(definitionOf(op), sources) };
    case "file":
      return { ...version, ...fileFields(op, sources) };
    case "source":
    case "merge":
    case "diff":
      return version;
  }
}

function execFields(
  op: ReturnType<typeof definitionOf>,
  { withheld, buildArgs }: IngredientSources,
): Record<string, string> {
  const shell = op.args.length === 3 && op.args[1] === "-c";
  const hides = (variable: string, name: string): boolean =>
    withheld.scrub(variable) !== variable || (buildArgs.has(name) && isSecretName(name));
  const env = op.env.map((variable): [string, string] => {
    const equals = variable.indexOf("=");
    const name = equals < 0 ? variable : variable.slice(0, equals);
    return [`env ${name}`, hides(variable, name) ? WITHHELD : variable.slice(name.length + 1)];
  });
  return {
    command: shell ? (op.args[2] ?? "") : op.args.join(" "),
    ...(shell ? { shell: op.args[0] ?? "" } : {}),
    ...Object.fromEntries(env),
    "working directory": op.cwd,
    user: op.user,
    "option --network": op.network,
    "option --security": op.security,
    hostname: op.hostname,
    "option --add-host": op.extraHosts.map(({ host, ip }) => `${host}:${ip}`).join(","),
    "option --ulimit": op.ulimits.map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(","),
    "option --shm-size": String(op.shmSizeBytes),
    platform: formatPlatform(op.platform),
    ...graphFields(op),
    ...Object.fromEntries(op.mounts.map(mountField)),
  };
}

/** What no Dockerfile says. */
function graphFields({ leaveOut, validExitCodes, result, isRootReadonly }: Partial<ExecOp>): Record<string, string> {
  return {
    ...(leaveOut === undefined ? {} : { "left out": leaveOut.join(" ") }),
    ...(validExitCodes === undefined ? {} : { "valid exit codes": validExitCodes.join(" ") }),
    ...(result === undefined ? {} : { "mount that is the result": String(result) }),
    ...(isRootReadonly === undefined ? {} : { "read-only root": "true" }),
  };
}

function mountField(mount: ExecMount): [string, string] {
  const { type, ...rest } = mount;
  const fields = Object.entries(rest).filter(([name]) => name !== "target" && name !== "input");
  return [`mount ${mount.target ?? ("id" in mount ? mount.id : type)}`, [`type=${type}`, ...said(fields)].join(",")];
}

/** Options as people write them: those that are on or have a value, modes in octal. */
function said(fields: readonly (readonly [string, unknown])[]): string[] {
  return fields.flatMap(([name, value]) => {
    if (value === undefined || value === "" || value === false) return [];
    if (value === true) return [name];
    if (name === "owner") return [`owner=${ownerText(value as OwnerSpec)}`]; // ops have no other field of that name
    if (name === "mode" && typeof value === "number") return [`mode=${value.toString(8).padStart(4, "0")}`];
    return [`${name}=${typeof value === "string" ? value : canonicalJson(value)}`];
  });
}

function ownerText({ user, group = "" }: OwnerSpec): string {
  return `${user}:${group}`;
}

function fileFields(op: FileOp, { withheld }: IngredientSources): Record<string, string> {
  const clean = (text: string): string => withheld.scrub(text);
  const copies = op.actions.filter((action) => action.action === "copy");
  const others = op.actions.filter((action) => action.action !== "copy");
  return {
    ...(copies.length === 0 ? {} : copyFields(copies)),
    ...Object.fromEntries(others.map((action) => otherField(action, clean))),
    ...(op.createdTimeNs === undefined ? {} : { SOURCE_DATE_EPOCH: op.createdTimeNs.slice(0, -9) }),
  };
}

function copyFields(copies: readonly CopyAction[]): Record<string, string> {
  const each = (text: (action: CopyAction) => string): string => [...new Set(copies.map(text))].join(", ");
  return {
    sources: copies.map(({ source }) => source).join(", "),
    destination: each(({ destination }) => destination),
    "option --chown": each(({ owner }) => (owner === undefined ? "" : ownerText(owner))),
    "option --chmod": each(({ mode }) =>
      mode === undefined ? "" : "octal" in mode ? mode.octal.toString(8) : mode.symbolic,
    ),
    "option --parents": each(({ parents }) => String(parents)),
    "option --exclude": each(({ excludes }) => excludes.join(" ")),
    "option --link": each(({ alwaysReplace }) => String(alwaysReplace)),
    "option --unpack": each(({ unpack }) => String(unpack)),
    options: each((action) => said(Object.entries(action).filter(([name]) => !TOLD_OF_COPIES.has(name))).join(" ")),
  };
}

/** What has a field of its own, or is said by another. */
const TOLD_OF_COPIES = new Set([
  ...["action", "from", "source", "destination", "owner", "mode"],
  ...["parents", "excludes", "alwaysReplace", "unpack"],
]);

/** What the field's name says, or that it is one of its kind. */
const UNSAID = new Set(["action", "path", "newPath", "makeParents", "data", "encoding"]);

function otherField(action: Exclude<FileAction, CopyAction>, clean: (text: string) => string): [string, string] {
  const rest = said(Object.entries(action).filter(([name]) => !UNSAID.has(name)));
  switch (action.action) {
    case "mkfile":
      return [`file ${action.path}`, [digestOf(clean(action.data)), ...rest].join(" ")];
    case "mkdir":
      return [`folder ${action.path}`, rest.join(",")];
    case "rm":
      return [`removed ${action.path}`, rest.join(",")];
    case "symlink":
      return [`link ${action.newPath}`, rest.join(",")];
  }
}
