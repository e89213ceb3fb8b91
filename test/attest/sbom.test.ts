// The scanner: which packages it finds in which data, and what it does with data that cannot be read.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { zipSync } from "fflate";
import { goProgram } from "./go-program.ts";
import { rpmDatabase } from "./rpm-database.ts";
import { folder, purls, scan } from "./scanned.ts";

const DEBIAN = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n';

suite("systems", () => {
  test("Debian: what is installed, not what only left its configuration; sources and licences are told", async () => {
    const found = await scan({
      "etc/os-release": DEBIAN,
      "var/lib/dpkg/status": [
        "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-2+b13\nSource: bash (5.2.15-2)",
        "Maintainer: Some Body <some@body.example>\nHomepage: https://example.org/bash\nDescription: GNU shell\n long text\n .\n more\n",
        "\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n",
        "\nPackage: half\nStatus: install reinstreq half-installed\nArchitecture: all\nVersion: 1\n",
        "\nPackage: held\nStatus: hold ok installed\nArchitecture: all\nVersion: 1:2\n",
        "\nPackage: waits\nStatus: install ok triggers-awaited\nArchitecture: all\nVersion: 3\n\n",
      ].join("\n"),
      "usr/share/doc/bash/copyright":
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: GPL-3+\n text\n\nFiles: a\nLicense: Expat\n",
    });
    assert.deepEqual(purls(found), [
      "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2",
      "pkg:deb/debian/held@1:2?arch=all&distro=debian-12",
      "pkg:deb/debian/waits@3?arch=all&distro=debian-12",
    ]);
    const [bash] = found.software;
    assert.equal(bash?.license, "GPL-3.0-or-later AND MIT");
    assert.equal(bash?.description, "GNU shell");
    assert.equal(bash?.maintainer, "Some Body <some@body.example>");
    assert.deepEqual(found.system, { id: "debian", version: "12", prettyName: "Debian GNU/Linux 12 (bookworm)" });
    assert.deepEqual(found.notes, []);
  });

  test("images without dpkg: a file a package", async () => {
    const found = await scan({
      "usr/lib/os-release": DEBIAN,
      "var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
      "var/lib/dpkg/status.d/base.md5sums": "0123  usr/x\n",
    });
    assert.deepEqual(purls(found), ["pkg:deb/debian/base-files@12.4?arch=amd64&distro=debian-12"]);
  });

  test("Alpine: packages, not the files that they own", async () => {
    const found = await scan({
      "etc/os-release": "ID=alpine\nVERSION_ID=3.18.4\n",
      "lib/apk/db/installed":
        "C:Q1abc=\nP:busybox-binsh\nV:1.36.1-r5\nA:x86_64\nL:GPL-2.0-only\no:busybox\nm:A B <a@b.example>\nU:https://busybox.net/\nT:sh\nF:bin\nR:sh\na:0:0:777\nZ:Q1x=\n\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\n\n",
    });
    assert.deepEqual(purls(found), [
      "pkg:apk/alpine/busybox-binsh@1.36.1-r5?arch=x86_64&distro=alpine-3.18.4&upstream=busybox",
      "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.18.4",
    ]);
  });
});

suite("languages", () => {
  test("npm: what is installed and what a lock names, each once", async () => {
    const found = await scan({
      "app/package-lock.json": JSON.stringify({
        lockfileVersion: 3,
        packages: {
          "": { name: "app", version: "1.0.0" },
          "node_modules/@scope/a": { version: "2.0.0", license: "ISC" },
          "node_modules/b": { version: "1.1.0" },
          "node_modules/b/node_modules/c": { version: "0.1.0" },
          "node_modules/linked": { link: true, resolved: "packages/x" },
        },
      }),
      "app/node_modules/b/package.json": JSON.stringify({ name: "b", version: "1.1.0", license: "MIT", author: "Me" }),
      "app/node_modules/b/lib/package.json": JSON.stringify({ type: "module" }),
      "app/package.json": JSON.stringify({ name: "app", version: "1.0.0" }),
      "old/npm-shrinkwrap.json": JSON.stringify({
        dependencies: {
          d: { version: "3.0.0", dependencies: { e: { version: "4.0.0" } } },
          git: { version: "git+ssh://x" },
        },
      }),
    });
    assert.deepEqual(purls(found), [
      "pkg:npm/%40scope/a@2.0.0",
      "pkg:npm/b@1.1.0",
      "pkg:npm/c@0.1.0",
      "pkg:npm/d@3.0.0",
      "pkg:npm/e@4.0.0",
    ]);
    const b = found.software.find(({ name }) => name === "b");
    assert.equal(b?.license, "MIT");
    assert.deepEqual(b?.evidence, ["app/node_modules/b/package.json", "app/package-lock.json"]);
  });

  test("Python: installed packages and pins, under their normal names", async () => {
    const found = await scan({
      "usr/lib/python3/dist-packages/Foo_Bar-1.0.dist-info/METADATA":
        "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\nLicense: MIT\nSummary: x\n\nName: not-this\n",
      "usr/lib/python3/dist-packages/old.egg-info": "Name: old\nVersion: 0.9\n",
      "app/requirements.txt":
        "# comment\nrequests==2.31.0\nflask[async]==3.0.0 ; python_version > '3.8'\nloose>=1\n-r other.txt\nhashed==1.0 \\\n    --hash=sha256:abc\n",
      "app/poetry.lock":
        '[[package]]\nname = "rich"\nversion = "13.0.0"\n\n[package.dependencies]\nname = "no"\n\n[metadata]\n',
      "app/Pipfile.lock": JSON.stringify({
        default: { six: { version: "==1.16.0" } },
        develop: { pytest: { version: "==8.0" } },
      }),
    });
    assert.deepEqual(purls(found), [
      "pkg:pypi/flask@3.0.0",
      "pkg:pypi/foo-bar@1.0",
      "pkg:pypi/hashed@1.0",
      "pkg:pypi/old@0.9",
      "pkg:pypi/pytest@8.0",
      "pkg:pypi/requests@2.31.0",
      "pkg:pypi/rich@13.0.0",
      "pkg:pypi/six@1.16.0",
    ]);
  });

  test("Cargo and go.sum: packages, not sums of go.mod files", async () => {
    const found = await scan({
      "app/Cargo.lock":
        'version = 3\n\n[[package]]\nname = "serde"\nversion = "1.0.1"\nsource = "registry+https://x"\ndependencies = [\n "a",\n]\n',
      "app/go.sum":
        "golang.org/x/sys v0.1.0 h1:x=\ngolang.org/x/sys v0.1.0/go.mod h1:y=\nexample.com/only v1.0.0/go.mod h1:z=\n",
    });
    assert.deepEqual(purls(found), ["pkg:cargo/serde@1.0.1", "pkg:golang/golang.org/x/sys@v0.1.0"]);
  });

  test("yarn and pnpm: locks of every form, without the project's own packages", async () => {
    const found = await scan({
      "one/yarn.lock":
        '# yarn lockfile v1\n\n\n"@scope/a@^1.0.0", "@scope/a@^1.1":\n  version "1.1.0"\n  resolved "https://x/a.tgz"\n  dependencies:\n    version "^9"\n\nother@npm:real@^2:\n  version "2.0.1"\n',
      "two/yarn.lock":
        '__metadata:\n  version: 8\n\n"@scope/b@npm:^3.0.0, @scope/b@npm:^3.1.0":\n  version: 3.1.0\n  resolution: "@scope/b@npm:3.1.0"\n  dependencies:\n    version: "npm:^9"\n  languageName: node\n\n"app@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "app@workspace:."\n',
      "five/pnpm-lock.yaml":
        "lockfileVersion: 5.4\n\npackages:\n\n  /@scope/c/4.0.0_react@18.0.0:\n    resolution: {integrity: sha512-x}\n    dev: false\n\n  github.com/some/d/0123abc:\n    name: d\n    version: 5.0.0\n",
      "six/pnpm-lock.yaml":
        "lockfileVersion: '6.0'\n\nimporters:\n  .:\n    dependencies:\n      e: 1\n\npackages:\n\n  /@scope/e@6.0.0(react@18.0.0):\n    resolution: {integrity: x}\n",
      "nine/pnpm-lock.yaml":
        "lockfileVersion: '9.0'\n\npackages:\n\n  '@scope/f@7.0.0':\n    resolution: {integrity: x}\n\n  g@https://x/g.tgz:\n    resolution: {tarball: x}\n    version: 8.0.0\n\nsnapshots:\n\n  'h@9.0.0(react@18.0.0)': {}\n",
    });
    assert.deepEqual(purls(found), [
      "pkg:npm/%40scope/a@1.1.0",
      "pkg:npm/%40scope/b@3.1.0",
      "pkg:npm/%40scope/c@4.0.0",
      "pkg:npm/%40scope/e@6.0.0",
      "pkg:npm/%40scope/f@7.0.0",
      "pkg:npm/d@5.0.0",
      "pkg:npm/g@8.0.0",
      "pkg:npm/real@2.0.1",
    ]);
  });

  test("go.mod: what it requires, and what stands in for it", async () => {
    const found = await scan({
      "app/go.mod":
        'module example.com/app\n\ngo 1.22\n\nrequire example.com/one v1.0.0\n\nrequire (\n\texample.com/two v2.0.0 // indirect\n\t"example.com/three" v3.0.0\n\texample.com/four v4.0.0\n)\n\nreplace (\n\texample.com/three => example.com/fork v3.1.0\n\texample.com/four v4.0.0 => ../four\n)\n\nexclude example.com/two v1.9.0\n',
    });
    assert.deepEqual(purls(found), [
      "pkg:golang/example.com/fork@v3.1.0",
      "pkg:golang/example.com/one@v1.0.0",
      "pkg:golang/example.com/two@v2.0.0",
    ]);
  });

  test("composer: what is installed and what a lock names", async () => {
    const found = await scan({
      "app/composer.lock": JSON.stringify({
        packages: [{ name: "Vendor/lib", version: "v1.2.0", license: ["MIT"] }],
        "packages-dev": [{ name: "vendor/dev", version: "2.0.0" }],
      }),
      "app/vendor/composer/installed.json": JSON.stringify({ packages: [{ name: "vendor/lib", version: "v1.2.0" }] }),
    });
    assert.deepEqual(purls(found), ["pkg:composer/vendor/dev@2.0.0", "pkg:composer/vendor/lib@v1.2.0"]);
    assert.equal(found.software[1]?.license, "MIT");
    assert.equal(found.software[1]?.evidence.length, 2);
  });

  test("Bun and Ruby: locks and installed gems, without what comes from folders and git", async () => {
    const found = await scan({
      "app/bun.lock":
        '{\n  "lockfileVersion": 1,\n  "workspaces": {\n    "": { "dependencies": { "x": "^1" } },\n  },\n  "packages": {\n    "@scope/a": ["@scope/a@1.0.0", "", {}, "sha512-x"],\n\n    "b/c": ["c@2.0.0-rc.1", "", { "bin": { "c": "c.js" } }, "sha512-y"],\n\n    "own": ["own@workspace:packages/own"],\n\n    "g": ["g@github:some/g#0123", {}, "some-g-0123"],\n  }\n}\n',
      "app/Gemfile.lock":
        "GIT\n  remote: https://x/own.git\n  specs:\n    own (0.1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.3)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  racc\n",
      "usr/lib/ruby/gems/3.1.0/specifications/default/rake-13.0.gemspec":
        'Gem::Specification.new do |s|\n  s.name = "rake".freeze\n  s.version = "13.0"\n  s.licenses = ["MIT".freeze]\n  s.summary = "make for Ruby".freeze\nend\n',
    });
    assert.deepEqual(purls(found), [
      "pkg:gem/nokogiri@1.16.0?platform=x86_64-linux",
      "pkg:gem/racc@1.7.3",
      "pkg:gem/rake@13.0",
      "pkg:npm/%40scope/a@1.0.0",
      "pkg:npm/c@2.0.0-rc.1",
    ]);
    assert.equal(found.software[2]?.license, "MIT");
  });

  test("Java: what Maven says of archives, and of those in them", async () => {
    const pom = (name: string): Record<string, Uint8Array> => ({
      [`META-INF/maven/org.example/${name}/pom.properties`]: Buffer.from(
        `#Generated\nversion=1.0-${name}\r\ngroupId=org.example\nartifactId=${name}\n`,
      ),
    });
    const inner = (name: string): Uint8Array => zipSync(pom(name));
    const found = await scan({
      "app/all.jar": zipSync({
        ...pom("all"),
        "BOOT-INF/lib/stored.jar": [inner("stored"), { level: 0 }],
        "BOOT-INF/lib/packed.jar": [inner("packed"), { level: 6 }],
        "BOOT-INF/lib/broken.jar": Buffer.from("no zip"),
      }),
      "app/war.war": zipSync({ "WEB-INF/lib/twice.jar": inner("all") }),
    });
    assert.deepEqual(purls(found), [
      "pkg:maven/org.example/all@1.0-all",
      "pkg:maven/org.example/packed@1.0-packed",
      "pkg:maven/org.example/stored@1.0-stored",
    ]);
    assert.deepEqual(found.notes, ["/app/all.jar: BOOT-INF/lib/broken.jar: it is no zip file"]);
  });

  const MODULES = [
    "path\texample.com/app/cmd",
    "mod\texample.com/app\tv1.2.3\th1:a=",
    "dep\texample.com/used\tv0.1.0\th1:b=",
    "dep\texample.com/replaced\tv0.2.0",
    "=>\texample.com/fork\tv0.2.1\th1:c=",
    "build\t-compiler=gc\n",
  ].join("\n");
  for (const shape of ["inline", "pointers", "without sections"] as const) {
    test(`Go: the modules in the build information of a program (${shape})`, async () => {
      const found = await scan({ "app/run": { program: goProgram("go1.22.1", MODULES, shape) } });
      assert.deepEqual(purls(found), [
        "pkg:golang/example.com/app@v1.2.3",
        "pkg:golang/example.com/fork@v0.2.1",
        "pkg:golang/example.com/used@v0.1.0",
        "pkg:golang/stdlib@1.22.1",
      ]);
    });
  }

  const runc = ["/usr/sbin/runc", "/usr/bin/runc"].find((path) => existsSync(path));
  test("Go: a real program", { skip: runc === undefined && "runc is not installed" }, async () => {
    const found = await scan({ "usr/bin/runc": { program: readFileSync(runc ?? "") } });
    const [program, library] = found.software;
    assert.equal(program?.name, "github.com/opencontainers/runc");
    assert.match(library?.purl ?? "", /^pkg:golang\/stdlib@1\.\d+/);
  });
});

suite("data that cannot be read", () => {
  // prettier-ignore
  const broken: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["app/package-lock.json", "{", /JSON/],
    ["app/Pipfile.lock", "[", /JSON/],
    ["app/composer.lock", "[", /JSON/],
    ["app/cut.jar", zipSync({ "META-INF/maven/g/a/pom.properties": new Uint8Array(9) }).subarray(0, 90), /no zip file/],
    ["app/bomb.jar", zipSync({ "META-INF/maven/g/a/pom.properties": new Uint8Array(1 << 20) }), /is larger than 65536 bytes/],
    ["usr/lib/sysimage/rpm/rpmdb.sqlite", "no database at all", /database/],
    ["usr/lib/sysimage/rpm/rpmdb.sqlite", rpmDatabase(folder(), [Buffer.from("00000000ffffffff", "hex")]), /no package header/],
    ["usr/lib/sysimage/rpm/rpmdb.sqlite", rpmDatabase(folder(), [Buffer.from("7fffffff00000010", "hex")]), /no package header/],
  ];
  for (const [path, content, why] of broken) {
    test(`${path} is named, and the rest is read (${why.source})`, async () => {
      const found = await scan({ [path]: content, "app/go.sum": "a.example/b v1.0.0 h1:x=\n" });
      assert.deepEqual(purls(found), ["pkg:golang/a.example/b@v1.0.0"]);
      assert.equal(found.notes.length, 1);
      assert.match(found.notes[0] ?? "", new RegExp(`^/${path}: `));
      assert.match(found.notes[0] ?? "", why);
    });
  }

  test("programs that only look like Go's, or like programs, are left alone", async () => {
    const elf = Buffer.alloc(300 << 10);
    elf.write("\x7fELF\x02\x01\x01", 0, "latin1");
    elf.fill(0xff, 0x20, 0x40);
    const marked = Buffer.alloc(300 << 10);
    marked.write("\xff Go buildinf:", 4096, "latin1");
    const found = await scan({
      "bin/a": { program: elf },
      "bin/b": { program: marked },
      "bin/c": { program: Buffer.alloc(300 << 10) },
    });
    assert.deepEqual(found.software, []);
    assert.deepEqual(found.notes, []);
  });

  test("what a later layer took away or replaced does not count", async () => {
    const found = await scan(
      { "app/go.sum": "a.example/b v1.0.0 h1:x=\n" },
      { "app/go.sum": "a.example/b v2.0.0 h1:x=\n" },
    );
    assert.deepEqual(purls(found), ["pkg:golang/a.example/b@v2.0.0"]);
  });
});

const STATUS = "/var/lib/dpkg/status";
test(
  "this machine's own database gives exactly what dpkg-query says is installed",
  { skip: !existsSync(STATUS) && "this machine has no dpkg" },
  async () => {
    const found = await scan({ "etc/os-release": DEBIAN, "var/lib/dpkg/status": readFileSync(STATUS) });
    const listed = spawnSync(
      "dpkg-query",
      ["-W", "-f", "${db:Status-Status} ${Package} ${Version} ${Architecture}\n"],
      {
        encoding: "utf8",
      },
    );
    assert.equal(listed.status, 0);
    const installed = listed.stdout
      .split("\n")
      .filter((line) => line !== "" && !/^(?:not-installed|config-files|half-installed) /.test(line))
      .map((line) => line.slice(line.indexOf(" ") + 1));
    const ours = found.software.map(({ name, version, purl }) => `${name} ${version} ${/arch=(\w+)/.exec(purl)?.[1]}`);
    assert.ok(installed.length > 50);
    assert.deepEqual(ours.toSorted(), installed.toSorted());
  },
);
