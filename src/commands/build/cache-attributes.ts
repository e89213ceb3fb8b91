// The attributes of one `--cache-from` or `--cache-to`: those that its type knows, each checked when it is asked for.

import type { Digest } from "../../../builder/core/digest.ts";
import { isDigest } from "../../../builder/core/digest.ts";
import { formatReference, parseReference } from "../../../builder/core/image/reference.ts";
import { AttributeValues } from "../../cli/values/attribute-values.ts";
import { parseDuration } from "../../cli/values/disk-filter.ts";
import { nearest } from "../../cli/nearest.ts";

/** A cache, and a registry that it asks to reach without TLS or its check. */
export interface CacheSpec<T> {
  readonly cache: T;
  readonly insecureRegistry: string | undefined;
}

/** The attributes that each type has. */
export type CacheKeys<T extends string> = Readonly<Record<T, readonly string[]>>;

/** The attributes of one cache. */
export class CacheAttributes<T extends string> extends AttributeValues {
  readonly type: T;

  constructor(flag: string, keys: CacheKeys<T>, pairs: readonly (readonly [string, string])[]) {
    super(flag, new Map(pairs));
    const types = Object.keys(keys) as T[]; // the keys of a record of T
    const named = this.text("type");
    if (named === undefined) throw this.fault("type is required", `types are ${types.join(", ")}`);
    const type = types.find((candidate) => candidate === named);
    if (type === undefined) throw this.fault(`unknown type "${named}"`, `types are ${types.join(", ")}`);
    this.type = type;
    for (const [key] of pairs) {
      if (key === "type" || keys[type].includes(key)) continue;
      const near = nearest(key, keys[type]);
      throw this.fault(
        `"${key}" is no attribute of type=${type} here`,
        near === undefined ? undefined : `did you mean ${near}?`,
      );
    }
  }

  /** `variable`: of the environment, which may say it instead. */
  required(key: string, variable?: string, environment: Readonly<Record<string, string | undefined>> = {}): string {
    const value = this.text(key) ?? (variable === undefined ? undefined : environment[variable] || undefined);
    if (value !== undefined) return value;
    throw this.fault(`type=${this.type} needs ${key}=…`, variable === undefined ? undefined : `or set ${variable}`);
  }

  /** ms; Go's form ("10m"). */
  duration(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const ms = parseDuration(value, `type=${this.type}: ${key}`);
    if (ms <= 0) throw this.fault(`${key}="${value}" is no time at all`);
    return ms;
  }

  /** A whole number from 1 on. */
  count(key: string): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const count = /^\d{1,6}$/.test(value) ? Number(value) : 0;
    if (count < 1) throw this.fault(`${key}="${value}" is no whole number from 1 on`);
    return count;
  }

  /** Parts with ";" between. */
  names(key: string, otherwise: string): readonly string[] {
    const names = (this.text(key) ?? otherwise).split(";").filter((name) => name !== "");
    if (names.length === 0) throw this.fault(`${key}= names nothing`);
    return names;
  }

  /** A cache under the image name in `ref`. */
  inRegistry<C>(cache: (reference: string) => C): CacheSpec<C> {
    const ref = this.required("ref");
    let reference;
    try {
      reference = parseReference(ref);
    } catch (error) {
      throw this.fault(error instanceof Error ? error.message : String(error));
    }
    const insecureRegistry = this.boolean("registry.insecure") === true ? reference.registry : undefined;
    return { cache: cache(formatReference(reference)), insecureRegistry };
  }

  digest(): Digest | undefined {
    const text = this.text("digest");
    if (text === undefined || isDigest(text)) return text;
    throw this.fault(`digest="${text}" is not a sha256 digest`);
  }
}
