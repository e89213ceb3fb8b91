// `tsbuild executor`: kaniko's command line for a job in a pod. Its flags become those of a build, its files and
// its exit codes are those that pipelines read.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { asBuildError, BuildError } from "../../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../../builder/core/namespace.ts";
import type { BuildRequest } from "../../../builder/request.ts";
import { EXECUTOR_FLAGS } from "../../cli/executor-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/sizes.ts";
import { HeldEvents } from "../../progress/held-events.ts";
import { readRequest } from "../build-request.ts";
import type { Environment } from "../../config/environment.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments, useRoot } from "../command.ts";
import { openStdin } from "../stdin.ts";
import { cacheArguments, cacheFolder, cacheMaxAgeMs, cacheRules } from "./cache.ts";
import { cloudHelpers, withCloudLogins } from "./cloud-login.ts";
import { jobContext } from "./context.ts";
import { tellPod, writeResultFiles } from "./files.ts";
import { withGitLogin } from "./git-login.ts";
import { openJobLog } from "./log.ts";
import type { JobOutputs } from "./outputs.ts";
import { jobOutputs } from "./outputs.ts";
import { pushFlags, registrySettings } from "./registries.ts";

const USAGE = `Usage:  tsbuild executor --context URL --destination NAME [OPTIONS]
        tsbuild executor push PATH --destination NAME [OPTIONS]
        tsbuild executor login | version

Builds an image in a pod and pushes it, with the arguments of kaniko's executor.`;

/** Everything but RUN's own code and the one for "built but not pushed". */
const FAILURE = 1;
const NO_ARGUMENTS: Arguments = { values: new Map(), positionals: [], notes: [] };
/** What was said until the job begins anew inside a user namespace is not said twice. */
const HOLD_MS = 5000;

/** The command. Nothing is begun before all of its flags are understood. */
export const executor: Command = async (context) => {
  const [word, ...rest] = context.args;
  if (word === "version") {
    const { VERSION } = await import("../../version.ts");
    await context.print(`tsbuild ${VERSION}\n`);
    return 0;
  }
  if (word === "login") {
    const { login } = await import("../login.ts");
    return await login({ ...context, args: rest });
  }
  try {
    if (word === "push") {
      const { executorPush } = await import("./push.ts");
      return await executorPush({ ...context, args: rest });
    }
    const args = await readArguments(
      word === "help" ? { ...context, args: ["--help"] } : context,
      EXECUTOR_FLAGS,
      USAGE,
    );
    if (args === undefined) return 0;
    return await runJob({ ...context, environment: withOwnLogins(args, context.environment) }, args);
  } catch (error) {
    const failure = asBuildError(error);
    if (failure.code !== "PUSH") context.outcome.ownFailure = FAILURE;
    await tellPod(failure);
    if (!context.outcome.told) {
      // Its flags were not understood: the log is as it is without any.
      openJobLog(NO_ARGUMENTS, context).fail(failure);
      context.outcome.told = true;
    }
    throw error;
  }
};

async function runJob(context: CommandContext, args: Arguments): Promise<number> {
  const { environment } = context;
  const [extra] = args.positionals;
  if (extra !== undefined) throw new BuildError("USAGE", `unknown command "${extra}" for "executor"`);
  const log = openJobLog(args, context);
  const { isInsideNamespace, mayNeedNamespace } = await import("../../../builder/namespace.ts");
  const repeatable = mayNeedNamespace();
  const events = new HeldEvents(log.sink, repeatable ? HOLD_MS : 0);
  for (const note of args.notes) log.say("warn", note);
  if (!isInsideNamespace(environment)) {
    const { sandboxLine } = await import("../../../builder/doctor.ts");
    log.say("info", await sandboxLine(process.env));
  }
  const outputs = jobOutputs(args, environment);
  const failed = (error: unknown): unknown => {
    events.release();
    const failure = withNextStep(asBuildError(error), { args, environment, root: rootOfJob(context, args) }, outputs);
    log.fail(failure);
    context.outcome.told = true;
    return failure;
  };
  try {
    const request = await jobRequest(context, args, outputs, { sink: events.sink, repeatable });
    if (outputs.push && request.dryRun !== true && !isOn(args, "skip-push-permission-check")) {
      const { checkPush } = await import("../../../builder/registry.ts");
      await checkPush(request, outputs.destinations, context.signal);
    }
    const { build } = await import("../../../builder/build.ts");
    const result = await build(request, context.signal);
    events.release();
    if (result.plan !== undefined) {
      const { whyText } = await import("../why-text.ts");
      await context.print(whyText(result.plan, { isWhole: false, isLong: false }));
      return 0;
    }
    if (result.digest === undefined) throw new BuildError("INTERNAL", "a job made no image");
    await writeResultFiles(args, environment, outputs.destinations, result.digest, context.signal);
    for (const { imageId } of result.images) log.say("info", `image id ${imageId}`);
    const verb = outputs.push ? "Pushed" : "Built";
    if (outputs.destinations.length === 0) log.say("info", `${verb} ${result.digest}`);
    for (const name of outputs.destinations) log.say("info", `${verb} ${name}@${result.digest}`);
    return 0;
  } catch (error) {
    if (!(error instanceof NamespaceNeeded)) throw failed(error);
  }
  const { runInNamespace } = await import("../../../builder/namespace.ts");
  return await runInNamespace(process.argv.slice(1), process.env, events.drop()).catch((error: unknown) => {
    throw failed(error);
  });
}

async function jobRequest(
  { environment, globals, signal }: CommandContext,
  args: Arguments,
  outputs: JobOutputs,
  { sink, repeatable }: { readonly sink: BuildRequest["events"]; readonly repeatable: boolean },
): Promise<BuildRequest> {
  const root = rootOfJob({ environment, globals }, args);
  const stdin = (what: string): (() => AsyncIterable<Uint8Array>) => openStdin(what, repeatable);
  const job = {
    context: textOf(args, "context") || bucketContext(textOf(args, "bucket")),
    subPath: textOf(args, "context-sub-path") ?? "",
    git: textOf(args, "git"),
  };
  const request = await readRequest({
    args: buildArguments(args, outputs.destinations),
    context: await jobContext(job, environment, stdin, signal),
    root,
    outputs: withImmutableTags(outputs, isOn(args, "push-ignore-immutable-tag-errors")),
    environment,
    openStdin: stdin,
    events: sink,
    dryRun: isOn(args, "dryrun"),
    registryFlags: registrySettings(args, environment, outputs.destinations),
  });
  const retries = ["push-retry", "image-download-retry", "image-fs-extract-retry"].map((name) =>
    parseCount(textOf(args, name) || "0", `--${name}`, 0),
  );
  return {
    ...request,
    session: withCloudLogins(withGitLogin(request.session, environment), environment, cloudHelpers(args), signal),
    // Given and false: nothing of an earlier build counts.
    noCache: textOf(args, "cache") === "false",
    cacheRules: cacheRules(args),
    warmed: { path: cacheFolder(args), maxAgeMs: cacheMaxAgeMs(args) },
    registryRetries: Math.max(...retries),
    leaveOut: [...listOf(args, "ignore-path"), ...(textOf(args, "ignore-var-run") === "false" ? [] : ["/var/run"])],
    ...(isOn(args, "single-snapshot") ? { squash: "new" as const } : {}),
  };
}

/** The store of a job. */
function rootOfJob({ environment, globals }: Pick<CommandContext, "environment" | "globals">, args: Arguments): string {
  const folder = kanikoFolder(args, environment);
  return useRoot(textOf(globals, "root") || (folder && `${folder}/tsbuild`), environment);
}

function kanikoFolder(args: Arguments, environment: Environment): string | undefined {
  return textOf(args, "kaniko-dir") || environment["KANIKO_DIR"] || undefined;
}

/** Logins move with --kaniko-dir, where there are some; else what is mounted at kaniko's own place counts. */
function withOwnLogins(args: Arguments, environment: Environment): Environment {
  const folder = kanikoFolder(args, environment);
  const logins = folder === undefined ? undefined : join(folder, ".docker");
  if (logins === undefined || !existsSync(join(logins, "config.json"))) return environment;
  return { ...environment, DOCKER_CONFIG: logins };
}

/** What was built and not pushed is in the store: it need not be built again. */
function withNextStep(
  failure: BuildError,
  { args, environment, root }: EndedJob,
  { destinations }: JobOutputs,
): BuildError {
  if (failure.code !== "PUSH") return failure;
  const folder = kanikoFolder(args, environment);
  const logins = folder === undefined ? undefined : join(folder, ".docker");
  const isOwn = logins !== undefined && environment["DOCKER_CONFIG"] === logins;
  const command = ["tsbuild", "--root", root, "push", "--resume", ...pushFlags(args, destinations), ...destinations];
  const line = [...(isOwn ? [`DOCKER_CONFIG=${logins}`] : []), ...command].map(quoted).join(" ");
  const hasCertificates = ["registry-certificate", "registry-client-cert"].some(
    (flag) => listOf(args, flag).length > 0,
  );
  const certificates = hasCertificates ? ", with --cert-dir and a folder of the registry's certificates" : "";
  const again = `the image is kept: \`${line}\`${certificates} sends what is missing`;
  return failure.with({ hint: failure.hint === undefined ? again : `${failure.hint}; ${again}` });
}

/** How a job was asked for, for whoever goes on where it ended. */
interface EndedJob {
  readonly args: Arguments;
  readonly environment: Environment;
  /** Of its store. */
  readonly root: string;
}

/** A word as a shell reads it back. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The old way to name an archive in a bucket, by default one of Google's. */
function bucketContext(bucket = ""): string {
  return bucket === "" || bucket.includes("://") ? bucket : `gs://${bucket}`;
}

function withImmutableTags(outputs: JobOutputs, keepImmutableTags: boolean): JobOutputs {
  const exports = outputs.exports.map((spec) => (spec.type === "image" ? { ...spec, keepImmutableTags } : spec));
  return { ...outputs, exports };
}

/** The flags that mean the same to a build, under its names. */
function buildArguments(args: Arguments, destinations: readonly string[]): Arguments {
  const names = {
    "build-arg": "build-arg",
    "custom-platform": "platform",
    dockerfile: "file",
    label: "label",
    reproducible: "reproducible",
    "require-sandbox": "require-sandbox",
    secret: "secret",
    target: "target",
  };
  const values = new Map<string, readonly string[]>(cacheArguments(args, destinations));
  for (const [from, to] of Object.entries(names)) if (args.values.has(from)) values.set(to, listOf(args, from));
  return { values, positionals: [], notes: [] };
}
