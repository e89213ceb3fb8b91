// Functions of IP networks (go-cty-funcs, cidr).

import { isIPv6 } from "node:net";
import { BuildError } from "../../../../builder/core/errors.ts";
import type { HclFunction } from "../evaluate.ts";
import { toNumber, toText } from "../value.ts";

export const CIDR_FUNCTIONS: Readonly<Record<string, HclFunction>> = {
  cidrhost: (prefix = null, host = null) => {
    const network = parse(toText(prefix));
    const size = 1n << BigInt(network.width - network.length);
    const number = BigInt(toNumber(host));
    if (number >= size || -number > size) throw new BuildError("CONFIG", `"${toText(prefix)}" has no host ${number}`);
    return addressText(network.base + (number < 0n ? size + number : number), network.width);
  },
  cidrnetmask: (prefix = null) => {
    const network = parse(toText(prefix));
    if (network.width !== 32) throw new BuildError("CONFIG", "only IPv4 has netmasks");
    return addressText(((1n << BigInt(network.length)) - 1n) << BigInt(32 - network.length), 32);
  },
  cidrsubnet: (prefix = null, newBits = null, number = null) =>
    subnet(parse(toText(prefix)), toNumber(newBits), BigInt(toNumber(number))),
  cidrsubnets: (prefix = null, ...newBits) => {
    const network = parse(toText(prefix));
    let next = network.base;
    const end = network.base + (1n << BigInt(network.width - network.length));
    return newBits.map((bits) => {
      const length = network.length + toNumber(bits);
      const size = 1n << BigInt(Math.max(0, network.width - length));
      const base = ((next + size - 1n) / size) * size;
      next = base + size;
      if (length > network.width || next > end) throw new BuildError("CONFIG", "not enough address space left");
      return `${addressText(base, network.width)}/${length}`;
    });
  },
};

interface Network {
  readonly base: bigint;
  readonly length: number;
  readonly width: 32 | 128;
}

function subnet({ base, length, width }: Network, newBits: number, number: bigint): string {
  const bits = length + newBits;
  if (bits > width || number >= 1n << BigInt(newBits))
    throw new BuildError("CONFIG", `there is no subnet ${number} with ${newBits} bits more`);
  return `${addressText(base + (number << BigInt(width - bits)), width)}/${bits}`;
}

function parse(text: string): Network {
  const [address = "", bits = ""] = text.split("/");
  const width = isIPv6(address) ? 128 : 32;
  const number = width === 128 ? sixOf(address) : fourOf(address);
  const length = /^\d+$/.test(bits) ? Number(bits) : Number.NaN;
  if (number === undefined || !(length <= width)) throw new BuildError("CONFIG", `"${text}" is no IP network`);
  const rest = BigInt(width - length);
  return { base: (number >> rest) << rest, length, width };
}

function fourOf(text: string): bigint | undefined {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined;
  return parts.reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
}

function sixOf(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => "0"), ...last];
  return all.reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
}

function addressText(address: bigint, width: 32 | 128): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => String((address >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => ((address >> BigInt(112 - 16 * at)) & 0xffffn).toString(16));
  // The longest run of zeros is left out (RFC 5952).
  const runs = [...groups.join(":").matchAll(/\b0(?::0)+\b/g)].toSorted((a, b) => b[0].length - a[0].length);
  const [run] = runs;
  if (run === undefined) return groups.join(":");
  const text = groups.join(":");
  return `${text.slice(0, run.index).replace(/:$/, "")}::${text.slice(run.index + run[0].length).replace(/^:/, "")}`;
}
