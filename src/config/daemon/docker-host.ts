// Which docker daemon is meant: DOCKER_HOST, the docker context that was chosen, or the socket where one usually is.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import type { DaemonEndpoint } from "../../../builder/core/session.ts";
import type { Environment } from "../environment.ts";
import { isObject, readJsonObject } from "../files/json-file.ts";

const DEFAULT_SOCKET = "/var/run/docker.sock";

/** The daemon's place; `host` (a flag) comes first. Nothing is asked of it. Throws `CONFIG` for a context that cannot be read. */
export async function dockerHost(environment: Environment, host?: string): Promise<DaemonEndpoint> {
  const given = host || environment["DOCKER_HOST"];
  if (given) return withTls(given, await environmentTls(environment, given));
  const folder = environment["DOCKER_CONFIG"] || join(environment["HOME"] || homedir(), ".docker");
  const context = environment["DOCKER_CONTEXT"] || (await currentContext(folder));
  if (context !== undefined && context !== "default") return await contextEndpoint(folder, context);
  const runtime = environment["XDG_RUNTIME_DIR"];
  const own = runtime ? join(runtime, "docker.sock") : undefined;
  if (own !== undefined && !(await isSocket(DEFAULT_SOCKET)) && (await isSocket(own)))
    return { host: `unix://${own}`, isThere: true };
  return { host: `unix://${DEFAULT_SOCKET}`, isThere: await isSocket(DEFAULT_SOCKET) };
}

/** As the docker CLI reads them: DOCKER_TLS_VERIFY checks the server, DOCKER_CERT_PATH says where the files are. */
async function environmentTls(environment: Environment, host: string): Promise<DaemonEndpoint["tls"]> {
  const isChecked = Boolean(environment["DOCKER_TLS_VERIFY"]);
  const folder = environment["DOCKER_CERT_PATH"];
  if (!host.startsWith("tcp://") || (!isChecked && !folder)) return undefined;
  return await readTls(folder || join(environment["HOME"] || homedir(), ".docker"), !isChecked);
}

async function currentContext(folder: string): Promise<string | undefined> {
  const name = (await readJsonObject(join(folder, "config.json")))?.["currentContext"];
  return typeof name === "string" && name !== "" ? name : undefined;
}

async function contextEndpoint(folder: string, name: string): Promise<DaemonEndpoint> {
  const id = createHash("sha256").update(name).digest("hex");
  const path = join(folder, "contexts/meta", id, "meta.json");
  const meta = await readJsonObject(path);
  const endpoints = meta?.["Endpoints"];
  const endpoint = isObject(endpoints) ? endpoints["docker"] : undefined;
  const host = isObject(endpoint) ? endpoint["Host"] : undefined;
  if (typeof host !== "string" || host === "") {
    throw new BuildError("CONFIG", `the docker context "${name}" names no daemon (looked in "${path}")`, {
      hint: "docker context ls lists them; DOCKER_HOST overrides them",
    });
  }
  const skips = isObject(endpoint) && endpoint["SkipTLSVerify"] === true;
  return withTls(host, await readTls(join(folder, "contexts/tls", id, "docker"), skips));
}

async function readTls(folder: string, isUnchecked: boolean): Promise<DaemonEndpoint["tls"]> {
  const [ca, certificate, key] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((file) => readPem(join(folder, file))),
  );
  if (ca === undefined && certificate === undefined && key === undefined) return undefined;
  return {
    isUnchecked,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

async function readPem(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw new BuildError("CONFIG", `cannot read "${path}"`, { cause: error, hint: String(error) });
  }
}

function withTls(host: string, tls: DaemonEndpoint["tls"]): DaemonEndpoint {
  return { host, isThere: true, ...(tls === undefined ? {} : { tls }) };
}

async function isSocket(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isSocket(),
    () => false,
  );
}
