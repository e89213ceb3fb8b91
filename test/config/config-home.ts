// A HOME and an /etc of their own for tests of configuration files.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BuildError } from "../../builder/core/errors.ts";
import type { ErrorCode } from "../../builder/core/errors.ts";
import { parseReference } from "../../builder/core/image/reference.ts";
import type { Environment } from "../../src/config/environment.ts";
import { openRegistries } from "../../src/config/registries.ts";
import type { RegistryDetails } from "../../src/config/registries.ts";
import type { ExplainedRoute } from "../../src/config/registries/registry-router.ts";

/** Files below a temporary folder: "etc/…" is the system's, "home/…" the user's. */
export class ConfigHome implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "tsbuild-config-"));
  readonly home = join(this.folder, "home");
  readonly etc = join(this.folder, "etc");
  readonly environment: Environment;

  constructor(files: Readonly<Record<string, string>> = {}, environment: Environment = {}) {
    mkdirSync(this.home);
    mkdirSync(this.etc);
    for (const [path, text] of Object.entries(files)) this.write(path, text);
    this.environment = { HOME: this.home, PATH: process.env["PATH"], ...environment };
  }

  write(path: string, text: string, mode = 0o644): string {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode });
    return file;
  }

  open(insecure: readonly string[] = [], environment: Environment = {}): Promise<RegistryDetails> {
    return openRegistries({ ...this.environment, ...environment }, insecure, { etc: this.etc });
  }

  /** The route of an image, as the files have it now. */
  async explain(
    image: string,
    insecure: readonly string[] = [],
    environment: Environment = {},
  ): Promise<ExplainedRoute> {
    const { configuration } = await this.open(insecure, environment);
    return await configuration.explain(parseReference(image));
  }

  /** The route in short: one line a place, "mirror http://m/ a/b [digests] unchecked". */
  async route(image: string, insecure: readonly string[] = [], environment: Environment = {}): Promise<string[]> {
    const { endpoints, push } = await this.explain(image, insecure, environment);
    const lines = endpoints.map(({ endpoint }) => {
      const { isMirror, origins, repository, serves, tls, namespace } = endpoint;
      return [
        ...(isMirror ? ["mirror"] : []),
        origins.join("|"),
        repository,
        ...(serves === "all" ? [] : [`[${serves}]`]),
        ...(tls.isUnchecked ? ["unchecked"] : []),
        ...(namespace === undefined ? [] : [`ns=${namespace}`]),
      ].join(" ");
    });
    return endpoints.includes(push)
      ? lines
      : [...lines, `push ${push.endpoint.origins.join("|")} ${push.endpoint.repository}`];
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** For assert.rejects: an error of this kind whose message and hint match. */
export function isError(code: ErrorCode, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof BuildError)) throw error;
    const text = `${error.message}\n${error.hint ?? ""}`;
    if (error.code === code && pattern.test(text)) return true;
    throw new Error(`${error.code}: ${text}`);
  };
}
