// RUN: an exec op on the stage's tree.

import { BuildError } from "../../../core/errors.ts";
import type { ExecMount, ExecOp } from "../../../graph/op.ts";
import { vertex } from "../../../graph/vertex.ts";
import type { EnvLookup } from "../../expand.ts";
import { heredocOrWord } from "../../heredoc.ts";
import type { Heredoc, Run } from "../../instruction.ts";
import { withArgs } from "../variables/args.ts";
import type { Conversion } from "../conversion.ts";
import { Inputs } from "../conversion.ts";
import { inlineFile } from "../copy/copy.ts";
import { fault } from "../fault.ts";
import { withHistory } from "../config/image-draft.ts";
import { parseMount } from "./mounts.ts";
import type { Mount } from "./mounts.ts";
import { cleanPath } from "../paths.ts";
import { proxyEnv } from "../variables/platform-args.ts";
import { execMounts } from "./run-mounts.ts";
import { withShell } from "./shell.ts";
import { stageOs, workingDir } from "../stages/stage.ts";
import type { Command, Stage } from "../stages/stage.ts";
import { runStep } from "../step.ts";
import type { StageVariables } from "../variables/variables.ts";
import { expandIn } from "../variables/words.ts";

/** Where the script of a here-document with `#!` is mounted. */
const SCRIPT_DIR = "/dev/pipes/";

export async function applyRun(
  conversion: Conversion,
  stage: Stage,
  command: Command,
  instruction: Run,
): Promise<void> {
  if (instruction.devices.length > 0)
    throw new BuildError("UNSUPPORTED", "RUN --device is not supported: there are no CDI devices here");
  const mounts = instruction.mounts.map((text) =>
    parseMount(text, (word) => expandIn(conversion, stage, instruction.range, word)),
  );
  checkVariables(stage.variables);
  const inputs = new Inputs();
  const rootInput = inputs.add(stage.tree.vertex);
  const script = scriptOf(instruction, stage);
  const args = instruction.command.form === "exec" ? instruction.command.args : withShell(stage, [script.line]);
  if (args.length === 0) throw fault("arguments are required");
  const own = script.file === undefined ? [] : [scriptMount(script.file, inputs)];
  const extra = await execMounts(conversion, stage, mounts, command.sources, inputs, own);
  for (const mount of extra) stage.parameters.useMount(mount, instruction.range);

  const op: ExecOp = {
    kind: "exec",
    rootInput,
    args,
    env: withAgent(stage.variables, extra),
    cwd: workingDir(stage),
    user: stage.draft.config.User ?? "",
    mounts: extra,
    ...sandboxOf(conversion, instruction),
    platform: stage.platform ?? conversion.options.targetPlatform,
  };
  const text = `${instruction.original.trim()}${script.summary}`;
  const step = runStep(conversion, stage, command, text, withMasks(stage.variables, mounts));
  const hiddenEnv = proxyEnv(conversion.buildArgs);
  const result = vertex(op, inputs.list, { ...step.options, ...(hiddenEnv.length > 0 ? { hiddenEnv } : {}) });
  stage.tree = { vertex: result, isClient: false, excludes: [] };
  stage.draft = withHistory(stage.draft, `RUN ${withArgs(args, stage.variables)} # buildkit`, step.options);
}

interface Script {
  /** What the shell is given. */
  readonly line: string;
  /** A file that must be there. */
  readonly file?: { readonly name: string; readonly content: string };
  /** Added to the step's name. */
  readonly summary: string;
}

/**
 * What a RUN in shell form runs. A here-document alone is the script itself (with `#!`
 * a file of its own); otherwise the shell reads its here-documents.
 */
function scriptOf({ command }: Run, stage: Stage): Script {
  const line = command.args.join(" ");
  const [first] = command.heredocs;
  if (first === undefined || command.form === "exec") return { line, summary: "" };
  if (heredocOrWord(line) === undefined) {
    const documents = command.heredocs.map(({ raw, content, name }) => `\n${raw ?? content}${name}`);
    return { line: line + documents.join(""), summary: "" };
  }
  const summary = ` (${summarize(first)})`;
  if (stageOs(stage) !== "windows" && first.content.startsWith("#!")) {
    return { line: `${SCRIPT_DIR}${first.name}`, file: first, summary };
  }
  return { line: first.content, summary };
}

function summarize({ raw, content }: Heredoc): string {
  const [first = "", ...more] = (raw ?? content).trim().replaceAll("\r\n", "\n").split("\n");
  return more.length > 0 ? `${first}...` : first;
}

function scriptMount(file: { readonly name: string; readonly content: string }, inputs: Inputs): ExecMount {
  const input = inputs.add(inlineFile(`/${file.name}`, file.content, 0o755));
  return { type: "bind", input, selector: "/", target: cleanPath(SCRIPT_DIR), readonly: true };
}

/** The kernel's MAX_ARG_STRLEN, in bytes with the one that ends a text (execve(2)). */
const MAX_VARIABLE_BYTES = 128 * 1024;

/** Refuses what no program can be started with. */
function checkVariables(variables: StageVariables): void {
  const long = variables.longest();
  if (long.length * 3 < MAX_VARIABLE_BYTES || Buffer.byteLength(long) < MAX_VARIABLE_BYTES) return;
  throw fault(
    `the variable ${long.slice(0, long.indexOf("="))} is too long to run a program with`,
    `name and value have ${Buffer.byteLength(long)} bytes, and Linux takes less than ${MAX_VARIABLE_BYTES}`,
  );
}

/** SSH_AUTH_SOCK for the first agent, unless it is set. */
function withAgent(variables: StageVariables, mounts: readonly ExecMount[]): readonly string[] {
  const agent = mounts.find((mount) => mount.type === "ssh");
  if (agent === undefined || variables.get("SSH_AUTH_SOCK") !== undefined) return variables.list();
  return [...variables.list(), `SSH_AUTH_SOCK=${agent.target}`];
}

/** Variables for display: those that a secret will set show as "****". */
function withMasks(variables: StageVariables, mounts: readonly Mount[]): EnvLookup {
  const masked = new Set(mounts.flatMap(({ type, env }) => (type === "secret" ? (env ?? []) : [])));
  return { get: (name) => (masked.has(name) ? "****" : variables.get(name)) };
}

type Sandbox = Pick<
  ExecOp,
  "network" | "security" | "hostname" | "extraHosts" | "ulimits" | "shmSizeBytes" | "cgroupParent" | "leaveOut"
>;

function sandboxOf({ options, buildArgs }: Conversion, instruction: Run): Sandbox {
  const network =
    instruction.network === undefined || instruction.network === "default" ? options.network : instruction.network;
  const security = instruction.security ?? "sandbox";
  if (network !== "default" && network !== "host" && network !== "none")
    throw fault(`unsupported network mode "${network}"`);
  if (security !== "sandbox" && security !== "insecure") throw fault(`unsupported security mode "${security}"`);
  if (network === "host") requireGrant(options.allow, "network.host");
  if (security === "insecure") requireGrant(options.allow, "security.insecure");
  const { extraHosts, ulimits, shmSizeBytes, cgroupParent, leaveOut = [] } = options;
  const hostname = buildArgs.get("BUILDKIT_SANDBOX_HOSTNAME") || options.hostname || "";
  const sandbox = { network, security, hostname, extraHosts, ulimits, shmSizeBytes, cgroupParent } as const;
  return leaveOut.length === 0 ? sandbox : { ...sandbox, leaveOut };
}

function requireGrant(granted: readonly string[], entitlement: string): void {
  if (!granted.includes(entitlement))
    throw fault(`${entitlement} is not allowed`, `allow it with --allow ${entitlement}`);
}
