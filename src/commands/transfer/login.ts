// `tsbuild login` and `tsbuild logout`: logins tried at the registry and kept where docker keeps them. The words are
// docker's, since scripts look for them.

import { text } from "node:stream/consumers";
import { BuildError } from "../../../builder/core/errors.ts";
import type { Credentials } from "../../../builder/core/session.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf, textOf } from "../../cli/flags.ts";
import { LOGIN_FLAGS, LOGOUT_FLAGS } from "../../cli/flags/login-flags.ts";
import { canonicalHost } from "../../config/registries/registry-settings.ts";
import { openRegistries } from "../../config/registries.ts";
import { definedOnly } from "../build/request.ts";
import type { Command, CommandContext } from "../command.ts";
import { readArguments } from "../command.ts";
import { flaggedSettings } from "./side-access.ts";
import { ask } from "../prompt.ts";

const LOGIN_USAGE = `Usage:  tsbuild login [OPTIONS] [SERVER]

Logs in to a registry, Docker Hub when none is named, and keeps the login in docker's config.json.`;

const LOGOUT_USAGE = `Usage:  tsbuild logout [OPTIONS] [SERVER]

Forgets the login for a registry, Docker Hub when none is named.`;

/** `tsbuild login`. Nothing is written before the registry has taken the login. */
export const login: Command = async (context) => {
  const args = await readArguments(context, LOGIN_FLAGS, LOGIN_USAGE);
  if (args === undefined) return 0;
  const host = serverOf(args, "login") ?? "docker.io";
  const given = await readGiven(args);
  const isUnchecked = textOf(args, "tls-verify") === "false";
  const insecure = [...listOf(args, "insecure-registry"), ...(isUnchecked ? [host] : [])];
  const flags = await flaggedSettings(args, { prefix: "", registries: [host] });
  const { configuration, logins } = await openRegistries(context.environment, insecure, { flags });
  const { checkLogin } = await import("../../../builder/login.ts");
  const environment = definedOnly(context.environment);
  const attempt: Attempt = (credentials) =>
    checkLogin(
      { registry: host, credentials, router: (reference) => configuration.route(reference), environment },
      context.signal,
    );
  const isAsked = given.username === "" && given.password === "";
  const stored = isAsked ? (await logins.locate(host))?.credentials : undefined;
  if (stored !== undefined && (await isStillGood(stored, attempt, context))) return 0;
  const credentials = await attempt(await complete(given, stored?.username ?? "", context.signal));
  await keep(host, credentials, context);
  return 0;
};

/** `tsbuild logout`. */
export const logout: Command = async (context) => {
  const args = await readArguments(context, LOGOUT_FLAGS, LOGOUT_USAGE);
  if (args === undefined) return 0;
  const server = serverOf(args, "logout");
  const { environment } = context;
  const { configFolders } = await import("../../config/files/folders.ts");
  const { LoginFile } = await import("../../config/credentials/login-file.ts");
  const file = new LoginFile(configFolders(environment), environment);
  if (isOn(args, "all")) {
    if (server !== undefined) throw new BuildError("USAGE", "--all takes no server");
    await file.erase(() => true);
    await context.print("Removed login credentials for all registries\n");
    return 0;
  }
  const host = server ?? "docker.io";
  const { hostOf, serverKey } = await import("../../config/credentials/credentials.ts");
  const gone = await file.erase((key) => hostOf(key) === host, serverKey(host));
  await context.print(`${gone ? "Removing login credentials for" : "Not logged in to"} ${serverKey(host)}\n`);
  // Another file may have one as well, and then the registry still knows us.
  const left = await (await openRegistries(environment, [])).logins.locate(host);
  if (left !== undefined) warn(`there is still a login for ${host}: ${left.file}, ${left.key}`);
  return 0;
};

type Attempt = (credentials: Credentials) => Promise<Credentials>;

interface Given {
  /** "" when it was not given. */
  readonly username: string;
  readonly password: string;
}

/** The host that the arguments name, without what people write around it. */
function serverOf(args: Arguments, command: string): string | undefined {
  const [server, ...more] = args.positionals;
  if (more.length > 0) throw new BuildError("USAGE", `"tsbuild ${command}" requires at most 1 argument`);
  if (server === undefined) return undefined;
  const host = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  if (!/^(?:[\w.-]+|\[[0-9a-f:]+\])(?::\d+)?$/i.test(host))
    throw new BuildError("USAGE", `"${server}" is not the address of a registry`, { hint: "write host or host:port" });
  return canonicalHost(host);
}

async function readGiven(args: Arguments): Promise<Given> {
  const username = (textOf(args, "username") ?? "").trim();
  const password = textOf(args, "password") ?? "";
  if (password !== "") warn("Using --password via the CLI is insecure. Use --password-stdin.");
  if (!isOn(args, "password-stdin")) return { username, password };
  if (password !== "") throw new BuildError("USAGE", "--password and --password-stdin are mutually exclusive");
  if (username === "") throw new BuildError("USAGE", "Must provide --username with --password-stdin");
  return { username, password: (await text(process.stdin)).replace(/\r?\n$/, "") };
}

async function isStillGood(stored: Credentials, attempt: Attempt, { print, signal }: CommandContext): Promise<boolean> {
  const who = stored.username === "" ? "" : ` [Username: ${stored.username}]`;
  await print(`Authenticating with existing credentials...${who}\n`);
  try {
    await attempt(stored);
  } catch (error) {
    if (!process.stdin.isTTY || signal.aborted || !(error instanceof BuildError)) throw error;
    process.stderr.write(`Login did not succeed: ${error.message}\n`);
    return false;
  }
  await print("Login Succeeded\n");
  return true;
}

/** Asks for what was not given. */
async function complete({ username, password }: Given, known: string, signal: AbortSignal): Promise<Credentials> {
  const streams = { input: process.stdin, output: process.stdout };
  if ((username === "" || password === "") && !process.stdin.isTTY) {
    throw new BuildError("USAGE", "Cannot perform an interactive login from a non TTY device", {
      hint: "give --username and --password-stdin",
    });
  }
  const question = known === "" ? "Username: " : `Username (${known}): `;
  const name = username || (await ask(question, streams, { signal })).trim() || known;
  if (name === "") throw new BuildError("USAGE", "username is required");
  const secret = password || (await ask("Password: ", streams, { hidden: true, signal }));
  if (secret === "") throw new BuildError("USAGE", "password is required");
  return { username: name, password: secret };
}

async function keep(host: string, credentials: Credentials, { environment, print }: CommandContext): Promise<void> {
  const { configFolders } = await import("../../config/files/folders.ts");
  const { LoginFile } = await import("../../config/credentials/login-file.ts");
  const { serverKey } = await import("../../config/credentials/credentials.ts");
  const { file, helper } = await new LoginFile(configFolders(environment), environment).store(
    serverKey(host),
    credentials,
  );
  if (helper === undefined) {
    warn(
      `Your credentials are stored unencrypted in '${file}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/`,
    );
  }
  const used = await (await openRegistries(environment, [])).logins.locate(host);
  if (used !== undefined && used.file !== file) warn(`the login in ${used.file}, ${used.key} comes before this one`);
  await print("Login Succeeded\n");
}

function warn(text: string): void {
  process.stderr.write(`WARNING! ${text}\n`);
}
