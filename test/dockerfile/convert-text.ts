// A plan as text, for people to compare: every vertex with its inputs, then config, history and findings.

import type { CopyAction, ExecMount, ExecOp, FileAction, ModeSpec, Op, OwnerSpec } from "../../builder/graph/op.ts";
import { topological } from "../../builder/graph/vertex.ts";
import type { Vertex } from "../../builder/graph/vertex.ts";
import type { Plan } from "../../builder/dockerfile/convert/plan.ts";
import { formatPlatform } from "../../builder/core/image/platform.ts";

/** The whole plan. Vertices are numbered, inputs before users; "scratch" is the empty tree. */
export function planText(plan: Plan): string {
  const vertices = plan.result === undefined ? [] : topological([plan.result]);
  const numbers = new Map(vertices.map((vertex, index) => [vertex.digest, index + 1]));
  return [
    ...vertices.flatMap((vertex) => vertexText(vertex, numbers)),
    `result ${plan.result === undefined ? "scratch" : `#${numbers.get(plan.result.digest)}`} ${formatPlatform(plan.platform)}`,
    ...(plan.author === undefined ? [] : [`author ${plan.author}`]),
    ...(plan.epochSeconds === undefined ? [] : [`epoch ${plan.epochSeconds}`]),
    "config",
    ...Object.entries(plan.config).map(([field, value]) => `  ${field} ${JSON.stringify(value)}`),
    "history",
    ...plan.history.map(
      (entry) => `  ${entry.empty_layer === true ? "-" : "L"} ${JSON.stringify(entry.created_by).slice(1, -1)}`,
    ),
    ...(plan.findings.length === 0 ? [] : ["findings"]),
    ...plan.findings.map((finding) => `  ${finding.range?.startLine ?? "?"} ${finding.rule}: ${finding.message}`),
    "",
  ].join("\n");
}

function vertexText(vertex: Vertex, numbers: ReadonlyMap<string, number>): string[] {
  const input = (index: number): string => {
    const found = vertex.inputs[index];
    return found === undefined ? "scratch" : `#${numbers.get(found.digest)}`;
  };
  const { name, location, ignoreCache, hiddenEnv } = vertex.options;
  const place = location === undefined ? "" : ` (${location.file}:${location.range.startLine})`;
  return [
    `#${numbers.get(vertex.digest)} ${name}${place}${ignoreCache === true ? " no-cache" : ""}`,
    ...opText(vertex.op, vertex, input).map((line) => `     ${line}`),
    ...(hiddenEnv === undefined ? [] : [`     hidden ${hiddenEnv.join(" ")}`]),
  ];
}

function opText(op: Op, vertex: Vertex, input: (index: number) => string): string[] {
  switch (op.kind) {
    case "source":
      return [`source ${JSON.stringify(op.source)}`];
    case "exec":
      return execText(op, input);
    case "file": {
      const time = op.createdTimeNs === undefined ? "" : ` at ${op.createdTimeNs}`;
      return [
        `file on ${input(op.destination)}${time}`,
        ...op.actions.map((action) => `  ${actionText(action, input)}`),
      ];
    }
    case "merge":
    case "diff":
      return [`${op.kind} ${vertex.inputs.map((_, index) => input(index)).join(" ")}`];
  }
}

function execText(op: ExecOp, input: (index: number) => string): string[] {
  const words = [
    `cwd=${op.cwd}`,
    op.user === "" ? "" : `user=${op.user}`,
    op.network === "default" ? "" : `network=${op.network}`,
    op.security === "sandbox" ? "" : `security=${op.security}`,
    op.hostname === "" ? "" : `hostname=${op.hostname}`,
    formatPlatform(op.platform),
  ];
  return [
    `exec on ${input(op.rootInput)} ${words.filter((word) => word !== "").join(" ")}`,
    `  args ${JSON.stringify(op.args)}`,
    `  env ${JSON.stringify(op.env)}`,
    ...op.mounts.map((mount) => `  ${mountText(mount, input)}`),
  ];
}

function mountText(mount: ExecMount, input: (index: number) => string): string {
  switch (mount.type) {
    case "bind":
      return `bind ${input(mount.input)}:${mount.selector} at ${mount.target}${mount.readonly ? "" : " rw"}`;
    case "cache": {
      const owner = `${octal(mount.mode)} ${mount.uid}:${mount.gid}`;
      return `cache ${mount.id} ${mount.sharing} from ${input(mount.input)}:${mount.selector} at ${mount.target} ${owner}${mount.readonly ? " ro" : ""}`;
    }
    case "tmpfs":
      return `tmpfs at ${mount.target}${mount.sizeBytes === undefined ? "" : ` size=${mount.sizeBytes}`}`;
    case "secret": {
      const places = [
        mount.target === undefined ? "" : `at ${mount.target}`,
        mount.env === undefined ? "" : `as $${mount.env}`,
      ];
      const where = places.filter((place) => place !== "").join(" ");
      return `secret ${mount.id} ${where} ${octal(mount.mode)} ${mount.uid}:${mount.gid}${mount.required ? " required" : ""}`;
    }
    case "ssh":
      return `ssh ${mount.id} at ${mount.target} ${octal(mount.mode)} ${mount.uid}:${mount.gid}${mount.required ? " required" : ""}`;
  }
}

function actionText(action: FileAction, input: (index: number) => string): string {
  switch (action.action) {
    case "copy":
      return copyText(action, input);
    case "mkfile":
      return `mkfile ${action.path} ${octal(action.mode)} ${JSON.stringify(action.data)}`;
    case "mkdir":
      return `mkdir ${action.path} ${octal(action.mode)}${action.makeParents ? " with parents" : ""}${ownerText(action.owner)}`;
    case "rm":
      return `rm ${action.path}`;
    case "symlink":
      return `symlink ${action.newPath} ${action.oldPath}`;
  }
}

const FLAGS = [
  "allowWildcard",
  "allowEmptyWildcard",
  "followSymlinks",
  "dirContentsOnly",
  "unpack",
  "parents",
  "createDestinationPath",
  "alwaysReplace",
  "resetOwner",
] as const;

function copyText(action: CopyAction, input: (index: number) => string): string {
  const flags = FLAGS.filter((flag) => action[flag]).join(",");
  const excludes = action.excludes.map((pattern) => ` but ${pattern}`).join("");
  const change = ownerText(action.owner) + modeText(action.mode);
  return `copy ${input(action.from)}:${action.source} to ${action.destination}${excludes}${change} [${flags}]`;
}

function ownerText(owner: OwnerSpec | undefined): string {
  if (owner === undefined) return "";
  return ` owner=${JSON.stringify(owner.user)}${owner.group === undefined ? "" : `:${JSON.stringify(owner.group)}`}`;
}

function modeText(mode: ModeSpec | undefined): string {
  if (mode === undefined) return "";
  return ` mode=${"octal" in mode ? octal(mode.octal) : mode.symbolic}`;
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}
