// `tsbuild executor`: kaniko's command line for a job in a pod. Its flags become those of a build, its files and
// its exit codes are those that pipelines read.

import { asBuildError, BuildError, PushStopped } from "../../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import type { BuildRequest } from "../../../builder/request.ts";
import { EXECUTOR_FLAGS } from "../../cli/flags/executor-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { HeldEvents } from "../../progress/held-events.ts";
import { readRequest } from "../build/request.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import { sandbox } from "../sandbox.ts";
import { openStdin } from "../stdin.ts";
import { cacheArguments, cacheFolder, cacheMaxAgeMs, cacheRules } from "./cache.ts";
import { cloudHelpers, withCloudLogins } from "./cloud-login.ts";
import { jobContext } from "./context.ts";
import { checkResultFiles, tellPod, writeResultFiles } from "./files.ts";
import { gitOptions, withGitLogin } from "./git-context.ts";
import { rootOfJob, withOwnLogins } from "./kaniko-dir.ts";
import { openJobLog } from "./log.ts";
import type { JobOutputs } from "./outputs.ts";
import { jobOutputs } from "./outputs.ts";
import { registrySettings } from "./registries.ts";
import { resumeCommand } from "./resume-command.ts";

const USAGE = `Usage:  tsbuild executor --context URL --destination NAME [OPTIONS]
        tsbuild executor push PATH --destination NAME [OPTIONS]
        tsbuild executor push --resume NAME... [OPTIONS]
        tsbuild executor login | version | completion SHELL

Builds an image in a pod and pushes it, with the arguments of kaniko's executor.`;

/** Everything but RUN's own code and the one for "built but not pushed". */
const FAILURE = 1;
const NO_ARGUMENTS: Arguments = { values: new Map(), positionals: [], notes: [] };
/** What was said until the job begins anew inside a user namespace is not said twice. */
const HOLD_MS = 5000;
const SNAPSHOT_MODES: readonly string[] = ["full", "redo", "time"];

/** The command. Nothing is begun before all of its flags are understood. */
export const executor: Command = async (context) => {
  const [word, ...rest] = context.args;
  if (word === "version") {
    const { VERSION } = await import("../../version.ts");
    await context.print(`tsbuild ${VERSION}\n`);
    return 0;
  }
  try {
    if (word === "login") {
      const { login } = await import("../transfer/login.ts");
      return await login({ ...context, args: rest });
    }
    if (word === "completion") {
      const { executorCompletion } = await import("./completion.ts");
      return await executorCompletion({ ...context, args: rest });
    }
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
    const failure = context.outcome.told ? asBuildError(error) : inJobsWords(asBuildError(error));
    if (failure.code !== "PUSH") context.outcome.ownFailure = FAILURE;
    await tellPod(failure);
    if (!context.outcome.told) {
      // Its flags were not understood: the log is as it is without any.
      openJobLog(NO_ARGUMENTS, context).fail(failure);
      context.outcome.told = true;
    }
    throw failure;
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
  const outputs = jobOutputs(args, environment);
  checkResultFiles(args);
  const failed = (error: unknown): unknown => {
    events.release();
    // Whatever broke off when the pod was told to end, that is why.
    const cause: unknown = context.signal.aborted ? context.signal.reason : error;
    const failure = inJobsWords(asBuildError(cause));
    const isKept = failure.code === "PUSH" || error instanceof PushStopped;
    const told = isKept
      ? withNextStep(failure, resumeCommand(args, outputs.destinations, rootOfJob(context, args)))
      : failure;
    log.fail(told);
    context.outcome.told = true;
    return told;
  };
  try {
    if (!isInsideNamespace(environment)) {
      const { sandboxLine } = await import("../../../builder/doctor.ts");
      log.say("info", await sandboxLine(process.env, sandbox(textOf(args, "require-sandbox"))));
      for (const name of listOf(args, "build-arg").filter((text) => !text.includes("=")))
        if (environment[name] === undefined)
          log.say("warn", `--build-arg: ${name} is not set, as the environment has no such variable`);
    }
    const request = await jobRequest(context, args, outputs, { sink: events.sink, repeatable });
    if (outputs.push && request.dryRun !== true && !isOn(args, "skip-push-permission-check")) {
      const { checkPush } = await import("../../../builder/registry.ts");
      await checkPush(request, outputs.destinations, context.signal);
    }
    const { build } = await import("../../../builder/build.ts");
    // Of several targets the first is the image; the others must succeed before it goes anywhere (tests, as a rule).
    for (const target of targets(args).slice(1))
      await build({ ...request, target, exports: [{ type: "cacheonly" }], cacheTo: [] }, context.signal);
    const result = await build(request, context.signal);
    events.release();
    if (result.plan !== undefined) {
      const { whyText } = await import("../builds/why-text.ts");
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
    git: args.values.has("git") ? gitOptions(listOf(args, "git")) : undefined,
  };
  if (job.context === "tar://stdin" && targets(args).length > 1)
    throw new BuildError("USAGE", "standard input can be read once: --target may name one stage then");
  const mode = textOf(args, "snapshot-mode") || "full";
  if (!SNAPSHOT_MODES.includes(mode))
    throw new BuildError("USAGE", `--snapshot-mode: "${mode}" is none of ${SNAPSHOT_MODES.join(", ")}`);
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
  const session = withGitLogin(request.session, environment, request.context);
  return {
    ...request,
    session: withCloudLogins(session, environment, cloudHelpers(args), signal),
    environment: new Map([
      ...request.environment,
      ...(job.git?.skipsTls === true ? ([["GIT_SSL_NO_VERIFY", "1"]] as const) : []),
    ]),
    // Given and false: nothing of an earlier build counts.
    noCache: textOf(args, "cache") === "false",
    cacheRules: cacheRules(args),
    warmed: { path: cacheFolder(args), maxAgeMs: cacheMaxAgeMs(args) },
    registryRetries: Math.max(...retries),
    leaveOut: [...listOf(args, "ignore-path"), ...(textOf(args, "ignore-var-run") === "false" ? [] : ["/var/run"])],
    ...(isOn(args, "single-snapshot") ? { squash: "new" as const } : {}),
  };
}

/** Stages to build, each by itself or several in one. */
function targets(args: Arguments): readonly string[] {
  return listOf(args, "target").flatMap((text) => text.split(","));
}

/** A job has --kaniko-dir where other commands have --root. */
function inJobsWords(failure: BuildError): BuildError {
  return failure.hint?.includes("--root") === true
    ? failure.with({ hint: failure.hint.replaceAll("--root", "--kaniko-dir") })
    : failure;
}

/** What was built and not pushed is in the store: it need not be built again. */
function withNextStep(failure: BuildError, again: string): BuildError {
  const kept = `the image is kept: \`${again}\` sends what is missing`;
  return failure.with({ hint: failure.hint === undefined ? kept : `${failure.hint}; ${kept}` });
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
  };
  const target = targets(args).slice(0, 1);
  const values = new Map<string, readonly string[]>([...cacheArguments(args, destinations), ["target", target]]);
  for (const [from, to] of Object.entries(names)) if (args.values.has(from)) values.set(to, listOf(args, from));
  return { values, positionals: [], notes: [] };
}
