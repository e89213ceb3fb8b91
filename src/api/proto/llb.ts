// The messages of a graph in BuildKit's low-level form (BuildKit, solver/pb/ops.proto): operations by the digests of their
// bytes, and what is said about them beside that.

import {
  bigInt,
  bool,
  boolMap,
  bytes,
  bytesList,
  int,
  ints,
  many,
  maybeInt,
  message,
  messageMap,
  one,
  string,
  stringMap,
  strings,
} from "./message.ts";

const PlatformMessage = message({ architecture: string(1), os: string(2), variant: string(3), osVersion: string(4) });
const Input = message({ digest: string(1), index: int(2) });
const Constraints = message({ filter: strings(1) });

const ProxyEnv = message({ http: string(1), https: string(2), ftp: string(3), no: string(4), all: string(5) });
const HostIp = message({ host: string(1), ip: string(2) });
const Ulimit = message({ name: string(1), soft: int(2), hard: int(3) });
const Meta = message({
  args: strings(1),
  env: strings(2),
  cwd: string(3),
  user: string(4),
  proxy: one(5, ProxyEnv),
  extraHosts: many(6, HostIp),
  hostname: string(7),
  ulimits: many(9, Ulimit),
  cgroupParent: string(10),
  validExitCodes: ints(12),
});
const TmpfsOptions = message({ size: int(1) });
const CacheOptions = message({ id: string(1), sharing: int(2) });
const Grant = message({ id: string(1), uid: int(2), gid: int(3), mode: int(4), optional: bool(5) });
const Mount = message({
  input: int(1),
  selector: string(2),
  target: string(3),
  output: int(4),
  readonly: bool(5),
  type: int(6),
  tmpfs: one(19, TmpfsOptions),
  cache: one(20, CacheOptions),
  secret: one(21, Grant),
  ssh: one(22, Grant),
});
const SecretEnv = message({ id: string(1), name: string(2), optional: bool(3) });
const Device = message({ name: string(1) });
const ExecMessage = message({
  meta: one(1, Meta),
  mounts: many(2, Mount),
  network: int(3),
  security: int(4),
  secretEnv: many(5, SecretEnv),
  devices: many(6, Device),
});

const SourceMessage = message({ identifier: string(1), attrs: stringMap(2) });

const NamedUser = message({ name: string(1), input: int(2) });
const User = message({ byName: one(1, NamedUser), byId: maybeInt(2) });
const Owner = message({ user: one(1, User), group: one(2, User) });
const Copy = message({
  source: string(1),
  destination: string(2),
  owner: one(3, Owner),
  mode: int(4),
  followSymlink: bool(5),
  dirContentsOnly: bool(6),
  unpack: bool(7),
  createDestination: bool(8),
  allowWildcard: bool(9),
  allowEmptyWildcard: bool(10),
  timestamp: bigInt(11),
  includes: strings(12),
  excludes: strings(13),
  alwaysReplace: bool(14),
  modeText: string(15),
  required: strings(16),
});
const Mkfile = message({ path: string(1), mode: int(2), data: bytes(3), owner: one(4, Owner), timestamp: bigInt(5) });
const Mkdir = message({
  path: string(1),
  mode: int(2),
  makeParents: bool(3),
  owner: one(4, Owner),
  timestamp: bigInt(5),
});
const Rm = message({ path: string(1), allowNotFound: bool(2), allowWildcard: bool(3) });
const Symlink = message({ oldPath: string(1), newPath: string(2), owner: one(3, Owner), timestamp: bigInt(4) });
const Action = message({
  input: int(1),
  secondaryInput: int(2),
  output: int(3),
  copy: one(4, Copy),
  mkfile: one(5, Mkfile),
  mkdir: one(6, Mkdir),
  rm: one(7, Rm),
  symlink: one(8, Symlink),
});
const FileMessage = message({ actions: many(2, Action) });

const MergeInput = message({ input: int(1) });
const MergeMessage = message({ inputs: many(1, MergeInput) });
const DiffMessage = message({ lower: one(1, MergeInput), upper: one(2, MergeInput) });
/** What is refused is not read any further. */
const Refused = message({});

export const OpMessage = message({
  inputs: many(1, Input),
  exec: one(2, ExecMessage),
  source: one(3, SourceMessage),
  file: one(4, FileMessage),
  build: one(5, Refused),
  merge: one(6, MergeMessage),
  diff: one(7, DiffMessage),
  passthrough: one(8, Refused),
  platform: one(10, PlatformMessage),
  constraints: one(11, Constraints),
});

const OpMetadata = message({
  ignoreCache: bool(1),
  description: stringMap(2),
  caps: boolMap(5),
  resources: one(7, Refused),
});
const Position = message({ line: int(1), character: int(2) });
const Range = message({ start: one(1, Position), end: one(2, Position) });
const Location = message({ sourceIndex: int(1), ranges: many(2, Range) });
const Locations = message({ locations: many(1, Location) });
const SourceInfo = message({ filename: string(1), data: bytes(2) });
const SourceMap = message({ locations: messageMap(1, Locations), infos: many(2, SourceInfo) });

/** A graph; its operations are bytes here, since they are named by the digests of these. */
export const Definition = message({
  ops: bytesList(1),
  metadata: messageMap(2, OpMetadata),
  source: one(3, SourceMap),
});
