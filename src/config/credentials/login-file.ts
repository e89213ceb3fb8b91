// Logins written to docker's config.json, or to the helper that it names. The file appears whole or not at all, can be
// read by its owner only, and keeps what is not ours in it.

import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError, isErrno } from "../../../builder/core/errors.ts";
import type { Credentials } from "../../../builder/core/session.ts";
import { flock } from "../../../builder/core/system/syscall.ts";
import { CredentialHelper } from "./credential-helper.ts";
import { HUB_KEY } from "./credentials.ts";
import type { Environment } from "../environment.ts";
import type { ConfigFolders } from "../files/folders.ts";
import { dockerConfigPath } from "../files/folders.ts";
import type { ConfigObject } from "../files/json-file.ts";
import { objectField, parseJsonObject, textField } from "../files/json-file.ts";

/** Where a login was put. */
export interface StoredLogin {
  readonly file: string;
  /** The helper that has the secret; undefined: it stands in the file, readable to whoever can read that. */
  readonly helper: string | undefined;
}

const PATIENCE_MS = 60_000;
const PAUSE_MS = 10;

/** The logins of one config.json. */
export class LoginFile {
  readonly path: string;
  readonly #environment: Environment;

  constructor(folders: Pick<ConfigFolders, "docker">, environment: Environment) {
    this.path = dockerConfigPath(folders);
    this.#environment = environment;
  }

  /** Keeps a login under a server's key, as docker does. Throws `CONFIG`, `OUTPUT`. */
  async store(server: string, credentials: Credentials): Promise<StoredLogin> {
    await using _lock = await this.#lock();
    const content = await this.#read();
    const helper = helperFor(content, server);
    if (helper !== undefined) await new CredentialHelper(helper, this.#environment).store(server, credentials);
    // With a helper an empty entry stays, as a note that there is something.
    const entry = helper === undefined ? plainEntry(credentials) : {};
    await this.#write({ ...content, auths: { ...objectField(content, "auths"), [server]: entry } });
    return { file: this.path, helper };
  }

  /** Forgets every server whose key is chosen, and `server`; whether the file or a helper was told to. Throws `CONFIG`, `OUTPUT`. */
  async erase(isChosen: (server: string) => boolean, server?: string): Promise<boolean> {
    await using _lock = await this.#lock();
    const content = await this.#read();
    const auths = objectField(content, "auths");
    const named = [...Object.keys(auths), ...Object.keys(objectField(content, "credHelpers"))].filter(isChosen);
    const servers = new Set([...named, ...(server === undefined ? [] : [server])]);
    const told: string[] = [];
    for (const one of servers) {
      const helper = helperFor(content, one);
      if (helper !== undefined && (await new CredentialHelper(helper, this.#environment).erase(one))) told.push(one);
    }
    const kept = Object.entries(auths).filter(([one]) => !servers.has(one));
    const isChanged = kept.length < Object.keys(auths).length;
    if (isChanged) await this.#write({ ...content, auths: Object.fromEntries(kept) });
    return isChanged || told.length > 0;
  }

  /**
   * Of several at the same moment each reads what the one before wrote. The folder is what is locked: the file is another
   * one after every change. docker takes no lock, and may still come in between.
   */
  async #lock(): Promise<AsyncDisposable> {
    const folder = dirname(this.path);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const held = await open(folder, "r");
      for (const start = performance.now(); !flock(held.fd, "exclusive", { wait: false });) {
        if (performance.now() - start > PATIENCE_MS) {
          await held.close();
          throw new BuildError("OUTPUT", `another process has held the lock on "${folder}" for a minute`, {
            hint: `fuser "${folder}" names it`,
          });
        }
        await sleep(PAUSE_MS);
      }
      return held;
    } catch (error) {
      if (error instanceof BuildError) throw error;
      throw new BuildError("OUTPUT", `cannot write "${this.path}"`, { cause: error, hint: String(error) });
    }
  }

  async #read(): Promise<ConfigObject> {
    try {
      return parseJsonObject(await readFile(this.path, "utf8"), `"${this.path}"`);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return {};
      if (error instanceof BuildError) throw error;
      throw new BuildError("CONFIG", `cannot read "${this.path}"`, { cause: error, hint: String(error) });
    }
  }

  async #write(content: ConfigObject): Promise<void> {
    try {
      await replaceFile(await realFile(this.path), `${JSON.stringify(content, null, "\t")}\n`);
    } catch (error) {
      throw new BuildError("OUTPUT", `cannot write "${this.path}"`, { cause: error, hint: String(error) });
    }
  }
}

/** The helper for a server, as docker chooses it: its own, else the one for all. */
function helperFor(content: ConfigObject, server: string): string | undefined {
  const helpers = objectField(content, "credHelpers");
  const own = textField(helpers, server) || (server === HUB_KEY ? textField(helpers, "docker.io") : "");
  return own || textField(content, "credsStore") || undefined;
}

function plainEntry({ username, password, identityToken }: Credentials): ConfigObject {
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return identityToken === undefined ? { auth } : { auth, identitytoken: identityToken };
}

/** The file behind symbolic links: a configuration kept elsewhere stays there. */
async function realFile(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return path;
    throw error;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.config.json.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
