// The ids of an image as text and as JSON.

import type { Identity, ImageIdentities } from "../../../builder/identify.ts";
import { humanSize } from "../../cli/human.ts";
import { printable } from "../../cli/printable.ts";

/** Each id with its rule and whether the bytes keep it. */
export function identitiesText(name: string, { imageId, imageDigest, indexDigest, layers }: ImageIdentities): string {
  const own = [imageId, imageDigest, ...(indexDigest === undefined ? [] : [indexDigest])];
  const parts = layers.map(({ diffId, digest, chainId, compressedSize, uncompressedSize, instruction }, at) => {
    const story = instruction === undefined ? "" : `  ${printable(instruction)}`;
    const sizes = `${humanSize(compressedSize)} as it is, ${humanSize(uncompressedSize)} unpacked`;
    const ids = [diffId, digest, chainId].map((identity) => line(identity, "  ")).join("");
    return `layer ${at + 1}${story}\n${ids}  ${"sizes".padEnd(NAME_COLUMNS)}${sizes}\n`;
  });
  return `${printable(name)}\n${own.map((identity) => line(identity, "")).join("")}${parts.join("")}`;
}

/** The same as data. */
export function identitiesToJson(name: string, identities: ImageIdentities): Readonly<Record<string, unknown>> {
  const { imageId, imageDigest, indexDigest, layers } = identities;
  return {
    name,
    verified: isVerified(identities),
    imageId: toJson(imageId),
    imageDigest: toJson(imageDigest),
    ...(indexDigest === undefined ? {} : { indexDigest: toJson(indexDigest) }),
    layers: layers.map(({ diffId, digest, chainId, compressedSize, uncompressedSize, instruction }) => ({
      diffId: toJson(diffId),
      digest: toJson(digest),
      chainId: toJson(chainId),
      compressedSize,
      uncompressedSize,
      ...(instruction === undefined ? {} : { createdBy: instruction }),
    })),
  };
}

/** Whether every id holds. */
export function isVerified({ imageId, imageDigest, indexDigest, layers }: ImageIdentities): boolean {
  const ofLayers = layers.flatMap(({ diffId, digest, chainId }) => [diffId, digest, chainId]);
  return [imageId, imageDigest, ...(indexDigest === undefined ? [] : [indexDigest]), ...ofLayers].every(
    (identity) => identity.isVerified,
  );
}

const NAME_COLUMNS = 14;

function line({ kind, digest, rule, isVerified: holds, found }: Identity, indent: string): string {
  const outcome = holds ? "ok    " : "FAILED";
  const instead = found === undefined ? "" : `\n${indent}${" ".repeat(NAME_COLUMNS)}found: ${printable(found)}`;
  return `${indent}${kind.padEnd(NAME_COLUMNS)}${digest}  ${outcome}  ${rule}${instead}\n`;
}

function toJson({ digest, rule, isVerified: verified, found }: Identity): Readonly<Record<string, unknown>> {
  return { digest, rule, verified, ...(found === undefined ? {} : { found }) };
}
