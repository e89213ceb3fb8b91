// `tsbuild daemon`: flags and a file to what the daemon works with, and the daemon until it is told to stop.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import { NamespaceNeeded } from "../../../builder/core/system/namespace.ts";
import { mayNeedNamespace } from "../../../builder/namespace.ts";
import { limitMemory } from "../../../builder/step-limits.ts";
import { DAEMON_FLAGS } from "../../cli/flags/daemon-flags.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { parseCount } from "../../cli/values/sizes.ts";
import { defaultAddress } from "../../config/daemon/daemon-address.ts";
import type { DaemonFile } from "../../config/daemon/daemon-file.ts";
import { dataRoot } from "../../config/data-root.ts";
import type { Environment } from "../../config/environment.ts";
import type { OtelTable } from "../../config/daemon/otlp.ts";
import { otlpTarget } from "../../config/daemon/otlp.ts";
import { localRegistries } from "../../config/registries.ts";
import type { TlsFiles } from "../../daemon/listen.ts";
import { LOG_FORMATS, LOG_LEVELS, logTo } from "../../daemon/log.ts";
import type { DaemonSettings } from "../../daemon/settings.ts";
import type { UiSettings } from "../../daemon/ui/routes.ts";
import type { OtlpSettings } from "../../daemon/watch/otlp.ts";
import { VERSION } from "../../version.ts";
import { NO_TENANT } from "../../daemon/tenants.ts";
import type { Command } from "../command.ts";
import { exactly, readArguments } from "../command.ts";
import { tenantsOf } from "./tenants.ts";
import { amountOf, diskSettingsOf, readDiskSettings } from "../disk/settings.ts";
import { sandbox } from "../sandbox.ts";

const USAGE = `Usage:  tsbuild daemon [OPTIONS]

Serves builds to BuildKit's clients: docker buildx with the remote driver, buildctl.`;

const ENTITLEMENTS = ["network.host", "security.insecure"];
const GRACE_SECONDS = 25;
/** Of a token, in characters: others can be guessed. */
const LEAST_TOKEN = 16;
/** Where steps are put that may have so much memory together, and no more. */
const OWN_CGROUP = "/tsbuild-daemon";
const EMPTY: DaemonFile = {
  root: undefined,
  addresses: [],
  entitlements: [],
  group: undefined,
  tls: {},
  maxParallelism: undefined,
  maxMemory: undefined,
  cgroupParent: undefined,
  disk: undefined,
  tenants: new Map(),
  otel: {},
  log: {},
  mostRecords: undefined,
  ignored: [],
};

/** The command. An ordinary user's daemon is root of a user namespace from its beginning: any build may need that. */
export const daemon: Command = async (context) => {
  const { environment } = context;
  const args = await readArguments(context, DAEMON_FLAGS, USAGE);
  if (args === undefined) return 0;
  exactly(args, 0, "daemon", "none");
  const configPath = textOf(args, "config");
  const file = configPath === undefined ? EMPTY : await readFile(configPath);
  const given = textOf(args, "root") ?? textOf(context.globals, "root") ?? environment["TSBUILD_ROOT"];
  const root = dataRoot(given ?? file.root, environment, process.getuid?.() ?? 0);
  const addresses = chosen(listOf(args, "addr"), file.addresses, environment);
  const settings: DaemonSettings = {
    root,
    tenant: NO_TENANT,
    disk:
      file.disk === undefined
        ? await readDiskSettings(environment)
        : diskSettingsOf(file.disk, `"${configPath}", [worker.oci]`),
    cgroupParent: file.cgroupParent ?? (file.maxMemory === undefined ? undefined : OWN_CGROUP),
    entitlements: entitlements([...listOf(args, "allow-insecure-entitlement"), ...file.entitlements]),
    maxParallelism: file.maxParallelism,
    mostRecords: file.mostRecords,
    requireSandbox: sandbox(textOf(args, "require-sandbox")),
    environment: new Map(
      Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    registries: (insecure) =>
      localRegistries(environment, insecure, [], configPath === undefined ? undefined : resolve(configPath)),
  };
  const options = {
    addresses,
    settings,
    tenants: tenantsOf(file.tenants, settings),
    tls: tlsOf(args, file),
    isInsecure: isOn(args, "insecure"),
    group: groupOf(textOf(args, "group")) ?? file.group,
    environment,
    graceMs: parseCount(textOf(args, "shutdown-timeout") ?? String(GRACE_SECONDS), "--shutdown-timeout", 0) * 1000,
    log: logTo(
      (line) => void process.stderr.write(line),
      oneOf(args, "log-format", LOG_FORMATS) ?? file.log.format ?? "json",
      oneOf(args, "log-level", LOG_LEVELS) ?? file.log.level ?? "info",
    ),
    otlp: otlpOf(file.otel, environment),
    ui: uiOf(args),
  };
  if (mayNeedNamespace()) {
    // Inside the namespace this program is root, and must not look for other places then.
    process.env["TSBUILD_ROOT"] = root;
    process.env[SOCKETS_VARIABLE] = addresses.join("\n");
    throw new NamespaceNeeded("running steps of builds");
  }
  if (file.maxMemory !== undefined && settings.cgroupParent !== undefined)
    limitMemory(settings.cgroupParent, amountOf(file.maxMemory, "[worker.oci] max-memory"));
  for (const key of file.ignored) options.log("warn", "a setting that means nothing here", { key });
  const { chosenSandbox } = await import("../../../builder/doctor.ts");
  options.log("info", "sandbox", { ...(await chosenSandbox(settings.requireSandbox)) });
  const { serve } = await import("../../daemon/daemon.ts");
  await serve(options, context.signal);
  return 0;
};

/** Tells the program that runs once more where it listens: as root it would choose another place. */
const SOCKETS_VARIABLE = "TSBUILD_DAEMON_ADDRESSES";

function chosen(flags: readonly string[], file: readonly string[], environment: Environment): readonly string[] {
  if (flags.length > 0) return [...new Set(flags)];
  if (file.length > 0) return [...new Set(file)];
  const inner = environment[SOCKETS_VARIABLE];
  return inner === undefined ? [defaultAddress(environment)] : inner.split("\n");
}

async function readFile(path: string): Promise<DaemonFile> {
  const { readDaemonFile } = await import("../../config/daemon/daemon-file.ts");
  return await readDaemonFile(resolve(path));
}

/** One of a few words. */
function oneOf<T extends string>(args: Arguments, flag: string, words: readonly T[]): T | undefined {
  const text = textOf(args, flag);
  if (text === undefined) return undefined;
  const found = words.find((word) => word === text);
  if (found === undefined) throw new BuildError("USAGE", `--${flag}: "${text}" is none of ${words.join(", ")}`);
  return found;
}

function uiOf(args: Arguments): UiSettings | undefined {
  const path = textOf(args, "ui-token-file");
  if (!isOn(args, "ui")) {
    if (path !== undefined) throw new BuildError("USAGE", "--ui-token-file says nothing without --ui");
    return undefined;
  }
  if (path === undefined) return { token: undefined };
  let token: string;
  try {
    token = readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new BuildError("CONFIG", `--ui-token-file: cannot read "${path}"`, { cause, hint: String(cause) });
  }
  if (token.length < LEAST_TOKEN)
    throw new BuildError("CONFIG", `--ui-token-file: "${path}" has fewer than ${LEAST_TOKEN} characters`);
  return { token };
}

function otlpOf(table: OtelTable, environment: Environment): OtlpSettings | undefined {
  const target = otlpTarget(table, environment);
  if (target === undefined) return undefined;
  return { ...target, resource: { "service.name": "tsbuild", "service.version": VERSION, ...target.resource } };
}

function tlsOf(args: Arguments, file: DaemonFile): TlsFiles | undefined {
  const certificate = textOf(args, "tlscert") ?? file.tls.cert;
  const key = textOf(args, "tlskey") ?? file.tls.key;
  const ca = textOf(args, "tlscacert") ?? file.tls.ca;
  if (certificate === undefined && key === undefined && ca === undefined) return undefined;
  if (certificate === undefined || key === undefined)
    throw new BuildError("USAGE", "TLS needs both a certificate (--tlscert) and its key (--tlskey)");
  return { certificate, key, ca };
}

function entitlements(names: readonly string[]): readonly string[] {
  const unknown = names.find((name) => !ENTITLEMENTS.includes(name));
  if (unknown !== undefined)
    throw new BuildError("USAGE", `"${unknown}" is no entitlement`, { hint: `they are ${ENTITLEMENTS.join(", ")}` });
  return names;
}

/** A group's number; by name as /etc/group has it. */
function groupOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const line = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((one) => one.startsWith(`${text}:`));
  const number = Number(line?.split(":")[2] ?? Number.NaN);
  if (!Number.isInteger(number)) throw new BuildError("USAGE", `--group: there is no group "${text}"`);
  return number;
}
