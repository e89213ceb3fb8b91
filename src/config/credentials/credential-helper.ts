// Programs that keep passwords: docker-credential-NAME, which speak over standard input and output
// (docker/docker-credential-helpers, "Development"). A secret is never an argument, and what a helper says is shown
// only where no secret can be in it.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Credentials } from "../../../builder/core/session.ts";
import type { Environment } from "../environment.ts";
import { isObject, textField } from "../files/json-file.ts";

/** What helpers say, with exit code 1, when they have nothing (credentials.ErrCredentialsNotFound). */
const NOT_FOUND = "credentials not found in native keychain";
/** The user name under which helpers keep identity tokens. */
const TOKEN_USER = "<token>";
const TIMEOUT_MS = 120_000;

/** A helper that is named somewhere and not installed. */
export class MissingHelper extends BuildError {}

/** One helper; `asked` names what it is asked about in messages. */
export class CredentialHelper {
  readonly name: string;
  readonly #environment: Environment;

  constructor(name: string, environment: Environment) {
    // It becomes the name of a program.
    if (!/^[\w.-]+$/.test(name)) throw new BuildError("CONFIG", `"${name}" is not the name of a credential helper`);
    this.name = name;
    this.#environment = environment;
  }

  /** What is kept for a server; undefined when there is nothing. Throws `CONFIG`. */
  async get(server: string): Promise<Credentials | undefined> {
    const { failed, stdout } = await this.#run("get", server);
    if (failed) {
      if (stdout.trim() === NOT_FOUND) return undefined;
      throw this.#failure("get", server, stdout);
    }
    const { username, secret } = this.#parse(stdout, server);
    if (username === "" && secret === "") return undefined;
    return username === TOKEN_USER
      ? { username: "", password: "", identityToken: secret }
      : { username, password: secret };
  }

  /** Keeps credentials for a server. Throws `CONFIG`. */
  async store(server: string, { username, password, identityToken }: Credentials): Promise<void> {
    const kept =
      identityToken === undefined
        ? { Username: username, Secret: password }
        : { Username: TOKEN_USER, Secret: identityToken };
    const { failed, stdout } = await this.#run("store", JSON.stringify({ ServerURL: server, ...kept }));
    if (failed) throw this.#failure("store", server, stdout.replaceAll(kept.Secret, "***"));
  }

  /** Forgets a server; false when nothing was known of it. Throws `CONFIG`. */
  async erase(server: string): Promise<boolean> {
    const { failed, stdout } = await this.#run("erase", server);
    if (failed && stdout.trim() !== NOT_FOUND) throw this.#failure("erase", server, stdout);
    return !failed;
  }

  async #run(
    action: "get" | "store" | "erase",
    input: string,
  ): Promise<{ readonly failed: boolean; readonly stdout: string }> {
    const program = `docker-credential-${this.name}`;
    const { execa } = await import("execa");
    const result = await execa(program, [action], {
      input,
      env: this.#environment as Record<string, string>,
      extendEnv: false,
      reject: false,
      stderr: "ignore",
      maxBuffer: 1 << 20,
      timeout: TIMEOUT_MS,
      preferLocal: false,
    });
    if (result.exitCode === undefined) {
      const why =
        result.code === "ENOENT"
          ? "there is no such program in PATH"
          : result.timedOut
            ? `it gave no answer in ${TIMEOUT_MS / 1000} s`
            : (result.code ?? `it ended by ${result.signal ?? "an unknown cause"}`);
      const Failure = result.code === "ENOENT" ? MissingHelper : BuildError;
      throw new Failure("CONFIG", `the credential helper "${program}" cannot be used: ${why}`, {
        hint: 'install it, or take it out of "credsStore" and "credHelpers" of your config.json',
      });
    }
    return { failed: result.exitCode !== 0, stdout: result.stdout };
  }

  #parse(stdout: string, server: string): { readonly username: string; readonly secret: string } {
    try {
      const answer: unknown = JSON.parse(stdout);
      if (isObject(answer)) return { username: textField(answer, "Username"), secret: textField(answer, "Secret") };
    } catch {
      // The parser's message would quote the answer.
    }
    throw new BuildError("CONFIG", `docker-credential-${this.name} gave no JSON for "${server}"`);
  }

  #failure(action: string, server: string, said: string): BuildError {
    // Whoever prints JSON and fails may have printed a secret.
    const [line = ""] = said.trim().split("\n");
    const shown = line === "" || line.includes("{") ? "" : `: ${line.slice(0, 200)}`;
    return new BuildError("CONFIG", `docker-credential-${this.name} ${action} failed for "${server}"${shown}`);
  }
}
