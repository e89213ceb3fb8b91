// Registry credentials from the files that docker and its relatives write.

import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import type { Credentials } from "../../builder/core/session.ts";
import type { Environment } from "./environment.ts";
import { isObject, parseJsonObject, readJsonObject } from "./json-file.ts";

/** Asks `docker-credential-<helper>` for a host; undefined when it has nothing. */
export type AskHelper = (helper: string, host: string) => Promise<Credentials | undefined>;

/** Looks credentials up; files are read once, when they are first needed. */
export class CredentialFiles {
  readonly #environment: Environment;
  readonly #askHelper: AskHelper;
  #files: Promise<readonly AuthFile[]> | undefined;

  constructor(environment: Environment, askHelper: AskHelper = refuseHelper) {
    this.#environment = environment;
    this.#askHelper = askHelper;
  }

  /** Credentials for a registry host; the first file that has some wins. Throws `CONFIG`, never with a secret in it. */
  async find(host: string): Promise<Credentials | undefined> {
    this.#files ??= readFiles(this.#environment);
    for (const file of await this.#files) {
      const found = await this.#findIn(file, host);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #findIn({ where, content }: AuthFile, host: string): Promise<Credentials | undefined> {
    const keys = keysFor(host);
    const helpers = objectField(content, "credHelpers");
    for (const key of keys) {
      const helper = helpers[key];
      if (typeof helper === "string" && helper !== "") return await this.#askHelper(helper, key);
    }
    const auths = objectField(content, "auths");
    for (const [written, entry] of Object.entries(auths)) {
      if (!keys.includes(normalizeKey(written)) || !isObject(entry)) continue;
      const found = readEntry(entry, `${where}, "${written}"`);
      if (found !== undefined) return found;
      // `docker login` with a store leaves an empty entry: the secret is in the store.
      const store = content["credsStore"];
      if (typeof store === "string" && store !== "") return await this.#askHelper(store, written);
    }
    return undefined;
  }
}

interface AuthFile {
  /** As a person would name it. */
  readonly where: string;
  readonly content: Readonly<Record<string, unknown>>;
}

async function readFiles(environment: Environment): Promise<AuthFile[]> {
  const files: AuthFile[] = [];
  const read = async (path: string): Promise<void> => {
    const content = await readJsonObject(path);
    if (content !== undefined) files.push({ where: path, content });
  };
  const inline = environment["DOCKER_AUTH_CONFIG"];
  const home = environment["HOME"] || homedir();
  const runtime = environment["XDG_RUNTIME_DIR"];
  const config = environment["XDG_CONFIG_HOME"] || join(home, ".config");
  if (environment["REGISTRY_AUTH_FILE"]) await read(environment["REGISTRY_AUTH_FILE"]);
  if (inline)
    files.push({
      where: "DOCKER_AUTH_CONFIG",
      content: parseJsonObject(inline, "the environment variable DOCKER_AUTH_CONFIG"),
    });
  await read(join(environment["DOCKER_CONFIG"] || join(home, ".docker"), "config.json"));
  if (runtime) await read(join(runtime, "containers", "auth.json"));
  await read(join(config, "containers", "auth.json"));
  return files;
}

/** The names under which a host may stand; Docker Hub has several. */
function keysFor(host: string): readonly string[] {
  const hub = ["docker.io", "index.docker.io", "registry-1.docker.io"];
  return hub.includes(host) ? hub : [host];
}

/** "https://index.docker.io/v1/" is "index.docker.io". */
function normalizeKey(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
}

function readEntry(entry: Readonly<Record<string, unknown>>, where: string): Credentials | undefined {
  const token = textField(entry, "identitytoken");
  const auth = textField(entry, "auth");
  let username = textField(entry, "username");
  let password = textField(entry, "password");
  if (auth !== "") {
    const text = Buffer.from(auth, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 0) throw new BuildError("CONFIG", `${where}: "auth" is not base64 of user:password`);
    username = text.slice(0, colon);
    // Old docker versions padded with zero bytes.
    password = text.slice(colon + 1).replace(/\x00+$/, "");
  }
  if (username === "" && token === "") {
    if (textField(entry, "registrytoken") === "") return undefined;
    throw new BuildError("UNSUPPORTED", `${where}: "registrytoken" is not supported yet`);
  }
  return { username, password, ...(token === "" ? {} : { identityToken: token }) };
}

function objectField(content: Readonly<Record<string, unknown>>, name: string): Readonly<Record<string, unknown>> {
  const value = content[name];
  return isObject(value) ? value : {};
}

function textField(content: Readonly<Record<string, unknown>>, name: string): string {
  const value = content[name];
  return typeof value === "string" ? value : "";
}

function refuseHelper(helper: string, host: string): Promise<never> {
  return Promise.reject(
    new BuildError(
      "UNSUPPORTED",
      `the credentials of "${host}" are in the credential helper "${helper}", which is not supported yet`,
      {
        hint: `put them into the "auths" of a config.json and point DOCKER_CONFIG to its folder`,
      },
    ),
  );
}
