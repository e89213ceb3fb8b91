// Registry credentials from the files that docker and its relatives write, and from the helpers that they name.

import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Credentials } from "../../../builder/core/session.ts";
import { CredentialHelper } from "./credential-helper.ts";
import type { Environment } from "../environment.ts";
import type { ConfigFolders } from "../files/folders.ts";
import { dockerConfigPath } from "../files/folders.ts";
import type { ConfigObject } from "../files/json-file.ts";
import { isObject, objectField, parseJsonObject, readJsonObject, textField } from "../files/json-file.ts";
import { canonicalHost } from "../registries/registry-settings.ts";

/** The key of Docker Hub in config.json and in helpers. */
export const HUB_KEY = "https://index.docker.io/v1/";
/** Among the helpers of registries.conf this word stands for the files. */
const FILES = "containers-auth.json";

/** Credentials and where they stand. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** "/root/.docker/config.json". */
  readonly file: string;
  /** `auths "quay.io"`, `credsStore "pass"`. */
  readonly key: string;
  /** The program that gave them; undefined when they stand in the file. */
  readonly helper: string | undefined;
}

export interface CredentialOptions {
  readonly environment: Environment;
  readonly folders: ConfigFolders;
  /** `credential-helpers` of registries.conf; undefined when there are none. */
  readonly helpers?: () => Promise<{ readonly helpers: readonly string[]; readonly file: string } | undefined>;
}

/** Looks credentials up; files are read once, when they are first needed. */
export class CredentialFiles {
  readonly #options: CredentialOptions;
  #files: Promise<readonly AuthFile[]> | undefined;

  constructor(options: CredentialOptions) {
    this.#options = options;
  }

  /** Credentials for a registry host and a repository of it. Throws `CONFIG`, never with a secret in it. */
  async find(registry: string, repository = ""): Promise<Credentials | undefined> {
    return (await this.locate(registry, repository))?.credentials;
  }

  /** The same with its place: the first file that has some wins, and in it the entry for the longest part of the name. */
  async locate(registry: string, repository = ""): Promise<FoundCredentials | undefined> {
    const host = canonicalHost(registry);
    const named = await this.#options.helpers?.();
    for (const helper of named?.helpers ?? [FILES]) {
      const found =
        helper === FILES
          ? await this.#findInFiles(host, repository)
          : await this.#ask(helper, [serverKey(host)], named?.file ?? "", "credential-helpers");
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The files that are there, in the order in which they are asked. */
  async files(): Promise<readonly string[]> {
    return (await this.#read()).map(({ where }) => where);
  }

  async #findInFiles(host: string, repository: string): Promise<FoundCredentials | undefined> {
    for (const file of await this.#read()) {
      const found = await this.#findIn(file, host, repository);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #findIn({ where, content }: AuthFile, host: string, repository: string): Promise<FoundCredentials | undefined> {
    for (const [written, helper] of Object.entries(objectField(content, "credHelpers"))) {
      if (hostOf(written) !== host || typeof helper !== "string" || helper === "") continue;
      const found = await this.#ask(helper, [written], where, `credHelpers "${written}"`);
      if (found !== undefined) return found;
    }
    const entries = entriesFor(objectField(content, "auths"), host, repository);
    const store = textField(content, "credsStore");
    if (store !== "") {
      const keys = [...entries.filter(({ isHost }) => isHost).map(({ written }) => written), serverKey(host)];
      const found = await this.#ask(store, [...new Set(keys)], where, `credsStore "${store}"`);
      if (found !== undefined) return found;
    }
    for (const { written, entry } of entries) {
      const credentials = readEntry(entry, `${where}, auths "${written}"`);
      if (credentials !== undefined) return { credentials, file: where, key: `auths "${written}"`, helper: undefined };
    }
    return undefined;
  }

  async #ask(
    name: string,
    servers: readonly string[],
    file: string,
    key: string,
  ): Promise<FoundCredentials | undefined> {
    const helper = new CredentialHelper(name, this.#options.environment);
    for (const server of servers) {
      const credentials = await helper.get(server);
      if (credentials !== undefined) return { credentials, file, key, helper: `docker-credential-${name}` };
    }
    return undefined;
  }

  #read(): Promise<readonly AuthFile[]> {
    return (this.#files ??= readFiles(this.#options));
  }
}

interface AuthFile {
  /** As a person would name it. */
  readonly where: string;
  readonly content: ConfigObject;
}

async function readFiles({ environment, folders }: CredentialOptions): Promise<AuthFile[]> {
  const files: AuthFile[] = [];
  const read = async (path: string): Promise<void> => {
    const content = await readJsonObject(path);
    if (content !== undefined) files.push({ where: path, content });
  };
  const inline = environment["DOCKER_AUTH_CONFIG"];
  if (environment["REGISTRY_AUTH_FILE"]) await read(environment["REGISTRY_AUTH_FILE"]);
  if (inline)
    files.push({
      where: "DOCKER_AUTH_CONFIG",
      content: parseJsonObject(inline, "the environment variable DOCKER_AUTH_CONFIG"),
    });
  await read(dockerConfigPath(folders));
  await read(join(folders.containersRuntime, "auth.json"));
  await read(join(folders.config, "containers", "auth.json"));
  const legacy = await readJsonObject(join(folders.home, ".dockercfg"));
  if (legacy !== undefined) files.push({ where: join(folders.home, ".dockercfg"), content: { auths: legacy } });
  return files;
}

/** The key under which docker keeps a host. */
export function serverKey(host: string): string {
  return canonicalHost(host) === "docker.io" ? HUB_KEY : host;
}

interface Entry {
  /** The key as it stands in the file. */
  readonly written: string;
  readonly entry: ConfigObject;
  /** Whether it is about the whole host. */
  readonly isHost: boolean;
}

/** The entries about a repository, the longest name first; "https://host/v1/" is the host, "host/team" is a part of it. */
function entriesFor(auths: ConfigObject, host: string, repository: string): readonly Entry[] {
  const name = `${host}/${repository}/`;
  return Object.entries(auths)
    .flatMap(([written, entry]) => {
      const key = normalizeKey(written);
      const isAbout = isObject(entry) && (key === host || name.startsWith(`${key}/`));
      return isAbout ? [{ written, entry, isHost: key === host, length: key.length }] : [];
    })
    .toSorted((a, b) => b.length - a.length);
}

/** "https://index.docker.io/v1/" is "docker.io", "quay.io/team/" is "quay.io/team". */
function normalizeKey(key: string): string {
  const [host = "", ...path] = key
    .replace(/^https?:\/\/([^/]*).*$/, "$1")
    .replace(/\/(v[12]\/?)?$/, "")
    .split("/");
  return [canonicalHost(host), ...path].join("/");
}

/** The host that a key of config.json is about. */
export function hostOf(key: string): string {
  return normalizeKey(key).replace(/\/.*$/, "");
}

function readEntry(entry: ConfigObject, where: string): Credentials | undefined {
  const identityToken = textField(entry, "identitytoken");
  const registryToken = textField(entry, "registrytoken");
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
  if (username === "" && identityToken === "" && registryToken === "") return undefined;
  return {
    username,
    password,
    ...(identityToken === "" ? {} : { identityToken }),
    ...(registryToken === "" ? {} : { registryToken }),
  };
}
