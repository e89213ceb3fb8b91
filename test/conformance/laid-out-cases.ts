// Conformance cases where a builder can work on them: their base images, and each case's files, the builder's image held
// against the golden. Who builds is the caller's to say.

import * as fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";

import { type Case, FIXTURES, flagsOf, readGolden } from "./case.ts";
import { compare, type Difference, type Got } from "./compare.ts";
import { type Image, type KnownLayers, readImages, readKnownLayers } from "./image.ts";
import { layOut, layOutBases } from "./lay-out.ts";
import { openLayout } from "./oci-layout.ts";
import { serve } from "./www.ts";

/** What a builder is asked for: the flags, arguments and variables of one `docker build`. */
export interface AskedCase {
  readonly flags: readonly string[];
  /** A folder or a URL. */
  readonly context: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The case's own. */
  readonly folder: string;
  /** A cache mount may hold what another case left in it; nothing else that a store keeps may be taken for another case's. */
  readonly keepsCache: boolean;
}

/** Undefined when it built; else what the builder says failed. */
export type BuildCase = (asked: AskedCase) => Promise<string | undefined>;

/** Whether CASES or CONFORMANCE say which cases are played. */
export const areAsked = Boolean(process.env["CASES"] || process.env["CONFORMANCE"]);

/** The cases that CASES (a glob of names) and CONFORMANCE=all (also those of `more`) ask for, in order. */
export function wantedCases(): readonly string[] {
  const sets = process.env["CONFORMANCE"] === "all" ? "{cases,more}" : "cases";
  return fs.globSync(`${sets}/${process.env["CASES"] ?? "*"}`, { cwd: FIXTURES }).toSorted();
}

export class LaidOutCases implements Disposable {
  readonly folder: string;
  readonly #bases: string;
  readonly #known: KnownLayers = new Map();

  /** Lays out the base images. The umask must be 022. */
  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "tsbuild-conformance-"));
    fs.chmodSync(this.folder, 0o755);
    this.#bases = path.join(this.folder, "bases");
    layOutBases(this.#bases);
    for (const name of fs.readdirSync(this.#bases)) {
      for (const [digest, layer] of readKnownLayers(openLayout(path.join(this.#bases, name))))
        this.#known.set(digest, layer);
    }
  }

  /** Builds one case; what its image differs in. The case's files are gone when there is no difference. */
  async play(it: Case, build: BuildCase): Promise<readonly Difference[]> {
    const folder = path.join(this.folder, it.name);
    fs.mkdirSync(folder);
    const differences = compare(readGolden(it), await this.#buildAndRead(it, folder, build));
    if (differences.length === 0) fs.rmSync(folder, { recursive: true, force: true });
    return differences;
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  async #buildAndRead(it: Case, folder: string, build: BuildCase): Promise<Got> {
    await using server = await serve(it);
    const { context, dockerfile } = layOut(it, folder, server?.url);
    const image = path.join(folder, "image.tar");
    const remote = it.context_url?.replace("@WWW@", server?.url ?? "");
    const error = await build({
      flags: [
        ...flagsOf(it, { folder, www: server?.url, bases: this.#bases }),
        ...["--file", remote === undefined ? dockerfile : it.dockerfile],
        ...["--output", `type=oci,dest=${image}`],
      ],
      context: remote ?? context,
      environment: it.args.env ?? {},
      folder,
      keepsCache: fs.existsSync(dockerfile) && fs.readFileSync(dockerfile, "utf8").includes("type=cache"),
    });
    if (error !== undefined) return { error, images: [] };
    const { created, mtime } = it.compare;
    const images = readImages(openLayout(image), this.#known, { created, mtime });
    return { error, images: withPlaces(images, folder, server?.url) };
  }
}

/** The goldens do not know where a case was laid out. */
function withPlaces(images: readonly Image[], folder: string, www: string | undefined): Image[] {
  const text = JSON.stringify(images).replaceAll(folder, "@CASE@");
  return JSON.parse(www === undefined ? text : text.replaceAll(www, "@WWW@")) as Image[];
}
