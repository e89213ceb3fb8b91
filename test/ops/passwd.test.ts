// USER and --chown against /etc/passwd and /etc/group.

import assert from "node:assert/strict";
import { test } from "node:test";
import { homeVariable, resolveOwner, resolveUser } from "../../builder/ops/passwd.ts";
import { RootfsView } from "../../builder/layer/view/view.ts";
import { image, never } from "./file-support.ts";

const rootfs = image({
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n\nweb:x:33:34::/:/bin/sh\nweb:x:99:99::/:\nhalf:x:7\n",
  "etc/group": "# comment\nroot:x:0:\nmail:x:8:web,other\nlogs:x:9:web\n",
});

test("USER takes names, numbers and both, with the process's own group and those that list the user", async () => {
  const cases: [string, number, number, number[]][] = [
    ["", 0, 0, [0]],
    ["web", 33, 34, [34, 8, 9]],
    ["33", 33, 34, [34, 8, 9]],
    ["web:mail", 33, 8, [8]],
    ["web:5", 33, 5, [5]],
    ["1234", 1234, 0, [0]],
    ["1234:mail", 1234, 8, [8]],
    ["1:4000000000", 1, 4_000_000_000, [4_000_000_000]],
    ["half", 7, 0, [0]],
  ];
  for (const [user, uid, gid, additionalGids] of cases) {
    assert.deepEqual(await resolveUser(rootfs, user, never), { uid, gid, additionalGids }, user);
  }
});

test("USER with a name that is not there, or a number that is too large, is an error", async () => {
  await assert.rejects(resolveUser(rootfs, "nobody", never), /unable to find user nobody/);
  await assert.rejects(resolveUser(rootfs, "web:nogroup", never), /unable to find group nogroup/);
  await assert.rejects(resolveUser(rootfs, "4000000000", never), /range/);
  await assert.rejects(resolveUser(new RootfsView([]), "web", never), /unable to find user web/);
});

test("--chown takes unknown names as root, and a lone number for both", async () => {
  assert.deepEqual(await resolveOwner(rootfs, { user: "web" }, never), { uid: 33, gid: 34 });
  assert.deepEqual(await resolveOwner(rootfs, { user: "nobody", group: "mail" }, never), { uid: 0, gid: 8 });
  assert.deepEqual(await resolveOwner(rootfs, { user: 5 }, never), { uid: 5, gid: 5 });
  assert.deepEqual(await resolveOwner(rootfs, { user: "", group: 5 }, never), { uid: 0, gid: 5 });
});

test("the files are found through links, inside the root", async () => {
  const linked = image({ "etc -> /usr/etc": {}, "usr/etc/passwd -> ../../../real": {}, real: "web:x:1:2::/:\n" });
  assert.deepEqual(await resolveUser(linked, "web", never), { uid: 1, gid: 2, additionalGids: [2] });
});

test("HOME is what passwd has, be it nothing, and / without a line", async () => {
  const homes = image({ "etc/passwd": "web:x:1:2::/srv:\nbare:x:3:4:::\n" });
  assert.deepEqual(await homeVariable(homes, 1, [], never), ["HOME=/srv"]);
  assert.deepEqual(await homeVariable(homes, 3, ["HOME="], never), ["HOME="]);
  assert.deepEqual(await homeVariable(homes, 5, [], never), ["HOME=/"]);
  assert.deepEqual(await homeVariable(homes, 1, ["HOME=/mine"], never), []);
});
