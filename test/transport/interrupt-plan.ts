// Where transfers are interrupted: spread evenly over the bytes of the blobs and over the protocol's steps, half by the
// death of the process and half by the connection. The same plan in every run.

import assert from "node:assert/strict";
import type { Descriptor } from "../../builder/core/image/descriptor.ts";
import type { Exchange } from "../support/fault-proxy.ts";

/** "kill": SIGKILL to the process. "cut": this connection. "outage": all of them, and no other until the process gave up. */
export type How = "kill" | "cut" | "outage";

export type Point =
  /** `share` is the place among all bytes, from 0 to 1. */
  | { readonly kind: "bytes"; readonly digest: string; readonly offset: number; readonly share: number }
  /** Before the request reached the registry, or after the answer left it. */
  | { readonly kind: "step"; readonly step: string; readonly side: "before" | "after" };

export interface Interruption {
  readonly how: How;
  readonly point: Point;
}

/** What a request asks for, the same in every run: "GET blob 2", "PUT upload 2". */
export function stepOf({ method, url }: Exchange, blobs: readonly Descriptor[]): string {
  const { pathname, searchParams } = new URL(url, "http://here");
  const digest = searchParams.get("digest") ?? pathname.split("/").at(-1) ?? "";
  const place = blobs.findIndex((blob) => blob.digest === digest);
  const number = place < 0 ? "" : ` ${place}`;
  if (pathname === "/v2/") return `${method} /v2/`;
  if (pathname.includes("/manifests/")) return `${method} manifest ${digest.includes(":") ? "by digest" : "by tag"}`;
  return `${method} ${pathname.includes("/uploads/") ? "upload" : "blob"}${number}`;
}

/**
 * A plan of `count` interruptions (a multiple of four), from what an undisturbed run did. Four kinds take turns: kill
 * and connection, at bytes and at steps.
 */
export function makePlan(
  count: number,
  steps: readonly string[],
  blobs: readonly Descriptor[],
  random: () => number,
): Interruption[] {
  const sides = steps.flatMap((step): Point[] => [
    { kind: "step", step, side: "before" },
    { kind: "step", step, side: "after" },
  ]);
  const turns = count / 4;
  return Array.from({ length: count }, (_, number) => {
    const turn = Math.floor(number / 4);
    const isKill = number % 2 === 0;
    const how = isKill ? "kill" : turn % 2 === 0 ? "cut" : "outage";
    if (number % 4 < 2) return { how, point: pointAt((turn + random()) / turns, blobs) };
    // Where there are fewer turns than sides, kill and connection take different ones.
    const every = Math.max(1, sides.length / turns);
    const at = Math.floor((turn + (isKill ? 0 : 0.5)) * every) % sides.length;
    return { how, point: sides[at] ?? assert.fail() };
  });
}

/** The plan is spread as it should be: every equal part of the bytes has its interruption, and every step its share. */
export function assertSpread(plan: readonly Interruption[], steps: readonly string[]): void {
  for (const isKill of [true, false]) {
    const own = plan.filter(({ how }) => (how === "kill") === isKill).map(({ point }) => point);
    assert.equal(own.length, plan.length / 2, "half by kill");
    const bytes = own.filter((point) => point.kind === "bytes");
    assert.equal(bytes.length, own.length / 2, "half at bytes");
    const parts = new Set(bytes.map(({ share }) => Math.floor(share * bytes.length)));
    assert.equal(parts.size, bytes.length, "one in each part of the bytes");
    const sides = own.filter((point) => point.kind === "step").map(({ step, side }) => `${step} ${side}`);
    const counts = [...Map.groupBy(sides, (side) => side).values()].map(({ length }) => length);
    assert.equal(counts.length, Math.min(steps.length * 2, sides.length), "as many sides of steps as there can be");
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `each as often as the others: ${counts.join()}`);
  }
}

/** Numbers from 0 to 1, the same in every run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function pointAt(share: number, blobs: readonly Descriptor[]): Point {
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  let start = 0;
  for (const { digest, size } of blobs) {
    const offset = Math.max(1, Math.floor(share * total) - start);
    if (offset < size) return { kind: "bytes", digest, offset, share };
    start += size;
  }
  return assert.fail(`${share} of ${total} bytes is beyond the blobs`);
}
