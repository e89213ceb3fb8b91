// Users and groups by name, from /etc/passwd and /etc/group of a rootfs: for USER and
// for `--chown`, which differ in what an unknown name is.

import { bytePath } from "../core/bytes/byte-path.ts";
import { BuildError } from "../core/errors.ts";
import type { OwnerSpec } from "../graph/op.ts";
import { readTreeFile } from "../layer/tree/read-tree-file.ts";
import type { ReadableTree } from "../layer/tree/stack-tree.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whom a process runs as. */
export interface ResolvedUser extends Owner {
  /** All groups of the process, its own among them. */
  readonly additionalGids: readonly number[];
}

interface PasswdLine {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupLine {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const MAX_BYTES = 10 << 20;
const MAX_ID = 2 ** 31 - 1;

/**
 * USER's value in a rootfs: "", "name", "uid", "name:group" and so on. A number without an entry is itself, with
 * group 0; a name without an entry throws `DOCKERFILE`. Groups that list the user count when none is named.
 */
export async function resolveUser(tree: ReadableTree, user: string, signal: AbortSignal): Promise<ResolvedUser> {
  const [userText = "", groupText = ""] = user.split(":");
  const numbers = bothNumbers(user);
  if (numbers !== undefined) return { ...numbers, additionalGids: [numbers.gid] };
  const passwd = await readPasswd(tree, signal);
  const groups = await readGroups(tree, signal);

  const wantedUid = user === "" ? 0 : idOf(userText);
  const known = passwd.find((line) =>
    userText === "" ? line.uid === 0 : wantedUid === undefined ? line.name === userText : line.uid === wantedUid,
  );
  if (known === undefined && wantedUid === undefined && userText !== "") {
    throw new BuildError("DOCKERFILE", `unable to find user ${userText}: no matching entries in passwd file`);
  }
  const uid = known?.uid ?? wantedUid ?? 0;
  if (groupText !== "") {
    const gid = groupId(groups, groupText);
    return { uid, gid, additionalGids: [gid] };
  }
  const gid = known?.gid ?? 0;
  const memberships = known === undefined ? [] : groups.filter((group) => group.members.includes(known.name));
  const gids = memberships.map((group) => group.gid);
  return { uid, gid, additionalGids: gids.includes(gid) ? gids : [gid, ...gids] };
}

/** Groups by name or number. Throws `DOCKERFILE` for a name without an entry. */
export async function resolveGroups(
  tree: ReadableTree,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  if (names.length === 0) return [];
  const groups = await readGroups(tree, signal);
  return names.map((name) => groupId(groups, name));
}

/** The owner a `--chown` names. An unknown name becomes 0, as in BuildKit; a user number alone is the group's too. */
export async function resolveOwner(tree: ReadableTree, spec: OwnerSpec, signal: AbortSignal): Promise<Owner> {
  const { user, group } = spec;
  let owner: Owner = { uid: 0, gid: 0 };
  if (typeof user === "number") owner = { uid: kernelId(user), gid: kernelId(user) };
  else if (user !== "") {
    const known = (await readPasswd(tree, signal)).find((line) => line.name === bytePath(user));
    if (known !== undefined) owner = { uid: known.uid, gid: known.gid };
  }
  if (typeof group === "number") return { ...owner, gid: kernelId(group) };
  if (group === undefined || group === "") return owner;
  const known = (await readGroups(tree, signal)).find((line) => line.name === bytePath(group));
  return known === undefined ? owner : { ...owner, gid: known.gid };
}

/** `HOME=…` as runc adds it to an environment that has none or an empty one: the user's in passwd, be it empty, else "/". Nothing to add gives []. */
export async function homeVariable(
  tree: ReadableTree,
  uid: number,
  env: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const set = env.findLast((variable) => variable.startsWith("HOME="));
  if (set !== undefined && set !== "HOME=") return [];
  const home = (await readPasswd(tree, signal)).find((line) => line.uid === uid)?.home;
  return [`HOME=${home === undefined ? "/" : Buffer.from(home, "latin1").toString("utf8")}`];
}

/** A negative number as the kernel takes it: -1 says "as it is", which is root for what is new. */
function kernelId(id: number): number {
  return id === -1 ? 0 : id >>> 0;
}

function bothNumbers(user: string): Owner | undefined {
  const colon = user.indexOf(":");
  if (colon < 0) return undefined;
  const uid = plainId(user.slice(0, colon));
  const gid = plainId(user.slice(colon + 1));
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** A number up to 32 bits, or "root". */
function plainId(text: string): number | undefined {
  if (text === "root") return 0;
  return /^\d+$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : undefined;
}

/** The id a text is; undefined for a name. Throws `DOCKERFILE` for a number that is no id. */
function idOf(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > MAX_ID)
    throw new BuildError("DOCKERFILE", `uids and gids must be in range 0-${MAX_ID}, and "${text}" is not`);
  return id;
}

function groupId(groups: readonly GroupLine[], text: string): number {
  const wanted = idOf(text);
  const known = groups.find((group) => (wanted === undefined ? group.name === text : group.gid === wanted));
  if (known !== undefined) return known.gid;
  if (wanted === undefined)
    throw new BuildError("DOCKERFILE", `unable to find group ${text}: no matching entries in group file`);
  return wanted;
}

async function readPasswd(tree: ReadableTree, signal: AbortSignal): Promise<PasswdLine[]> {
  return (await readLines(tree, "etc/passwd", signal)).map((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    return { name, uid: numberOf(uid), gid: numberOf(gid), home };
  });
}

async function readGroups(tree: ReadableTree, signal: AbortSignal): Promise<GroupLine[]> {
  return (await readLines(tree, "etc/group", signal))
    .filter((line) => !line.startsWith("#"))
    .map((line) => {
      const [name = "", , gid = "", members = ""] = line.split(":");
      return { name, gid: numberOf(gid), members: members === "" ? [] : members.split(",") };
    });
}

/** Lines with something on them, as bytes; none where there is no such file. */
async function readLines(tree: ReadableTree, path: string, signal: AbortSignal): Promise<string[]> {
  const bytes = await readTreeFile(tree, path, MAX_BYTES, signal);
  if (bytes === undefined) return [];
  return Buffer.from(bytes)
    .toString("latin1")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function numberOf(text: string): number {
  return /^[+-]?\d+$/.test(text) ? Number(text) : 0;
}
