// The conversion of an image's config to a runtime's, and of ids from one namespace to another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { imageCommand } from "../../builder/bundle/command.ts";
import { containerIdOf, hostIdOf, parseIdMap } from "../../builder/bundle/id-map.ts";
import type { RuntimeConfigParts } from "../../builder/bundle/runtime-config.ts";
import { bundleConfig } from "../../builder/bundle/runtime-config.ts";
import type { ImageConfig, RuntimeConfig } from "../../builder/core/image/image-config.ts";

const NO_WISHES = {
  command: undefined,
  entrypoint: undefined,
  env: new Map<string, string | undefined>(),
  workdir: undefined,
  defaults: new Map<string, string>(),
};

interface Converted {
  readonly annotations: Record<string, string>;
  readonly process: { readonly user: { readonly additionalGids: readonly number[] } };
  readonly mounts: readonly { readonly destination: string; readonly options: readonly string[] }[];
  readonly linux: Record<string, unknown>;
}

function convert(image: Partial<ImageConfig>, parts: Partial<RuntimeConfigParts> = {}): Converted {
  return bundleConfig({
    image: { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] }, ...image },
    command: { args: ["x"], env: [], cwd: "/" },
    user: { uid: 5, gid: 6, additionalGids: [6, 7, 70_000] },
    volumes: [],
    policy: { capabilities: [], seccomp: {}, maskedPaths: [], readonlyPaths: [] },
    userNamespace: undefined,
    rootless: false,
    terminal: false,
    ...parts,
  }) as Converted; // the object that `bundleConfig` makes
}

test("annotations are those of the image-spec's conversion rules, and a label of the same name wins", () => {
  const { annotations } = convert({
    created: "2026-01-02T03:04:05Z",
    author: "somebody",
    variant: "v8",
    "os.version": "1",
    "os.features": ["a", "b"],
    config: {
      StopSignal: "SIGQUIT",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      Labels: { own: "label", "org.opencontainers.image.author": "the label's" },
    },
  });
  const image = "org.opencontainers.image";
  assert.deepEqual(annotations, {
    [`${image}.architecture`]: "amd64",
    [`${image}.author`]: "the label's",
    [`${image}.created`]: "2026-01-02T03:04:05Z",
    [`${image}.exposedPorts`]: "53/udp,80/tcp",
    [`${image}.os`]: "linux",
    [`${image}.os.features`]: "a,b",
    [`${image}.os.version`]: "1",
    [`${image}.stopSignal`]: "SIGQUIT",
    [`${image}.variant`]: "v8",
    own: "label",
  });
  assert.deepEqual(Object.keys(convert({}).annotations), [`${image}.architecture`, `${image}.os`]);
});

test("groups that a runtime could not set are left out", () => {
  const maps = (...ranges: [number, number, number][]) =>
    ranges.map(([containerId, hostId, size]) => ({ containerId, hostId, size }));
  const groups = (parts: Partial<RuntimeConfigParts>) => convert({}, parts).process.user.additionalGids;
  assert.deepEqual(groups({}), [6, 7, 70_000]);
  const many = { uids: maps([0, 100_000, 65_536]), gids: maps([0, 100_000, 65_536]) };
  assert.deepEqual(groups({ userNamespace: many }), [6, 7]);
  assert.deepEqual(groups({ userNamespace: many, rootless: true }), []);
});

test("without root there are no cgroups to be had, and the network is the machine's", () => {
  const ids = [{ containerId: 0, hostId: 1000, size: 1 }];
  const rootless = convert({}, { rootless: true, userNamespace: { uids: ids, gids: ids } });
  assert.equal(rootless.linux["resources"], undefined);
  const kinds = (config: Converted) => (config.linux["namespaces"] as { type: string }[]).map(({ type }) => type);
  assert.deepEqual(kinds(rootless), ["pid", "ipc", "uts", "mount", "user"]);
  assert.deepEqual(kinds(convert({})), ["pid", "ipc", "uts", "mount", "network"]);
  assert.deepEqual(rootless.linux["uidMappings"], [{ containerID: 0, hostID: 1000, size: 1 }]);
  const options = (config: Converted) => config.mounts.find(({ destination }) => destination === "/dev/pts")?.options;
  assert.ok(options(convert({}))?.includes("gid=5"));
  assert.ok(!options(rootless)?.includes("gid=5"), "the group tty does not exist in a namespace of one id");
});

test("entrypoint, command and variables are put together as docker does", () => {
  const config: RuntimeConfig = {
    Entrypoint: ["e"],
    Cmd: ["c"],
    Env: ["A=1", "B=2=3", "EMPTY="],
    WorkingDir: "w/../x",
  };
  const plain = imageCommand(config, NO_WISHES);
  assert.deepEqual(plain.args, ["e", "c"]);
  assert.equal(plain.cwd, "/x");
  assert.deepEqual(plain.env.slice(1), ["A=1", "B=2=3", "EMPTY="]);
  assert.match(plain.env[0] ?? "", /^PATH=\/usr\/local\/sbin:/);
  const wishes = { ...NO_WISHES, env: new Map([["A", undefined], ["B", "b"]] as const), defaults: new Map([["A", "0"], ["T", "t"]]) }; // prettier-ignore
  assert.deepEqual(imageCommand(config, wishes).env.slice(1), ["T=t", "B=b", "EMPTY="]);
  assert.deepEqual(imageCommand(config, { ...NO_WISHES, entrypoint: ["other"] }).args, ["other"]);
  assert.throws(() => imageCommand({}, NO_WISHES), /the image has no command/);
});

test("ids go through maps both ways, and end at their borders", () => {
  const map = parseIdMap("         0       1500          1\n         1     100000      65536\n");
  assert.deepEqual([0, 1, 65_536, 65_537].map((id) => hostIdOf(map, id)), [1500, 100_000, 165_535, undefined]); // prettier-ignore
  assert.deepEqual([1500, 1501, 100_000, 165_536].map((id) => containerIdOf(map, id)), [0, undefined, 1, undefined]); // prettier-ignore
});
