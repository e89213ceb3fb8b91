// /etc/hosts and /etc/resolv.conf of a step, as BuildKit writes them (executor/oci/hosts.go,
// resolvconf.go). They are bound read-only over the root's own, so neither reaches a layer.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../core/errors.ts";
import { hostGateway } from "../core/host-gateway.ts";
import type { DnsSettings, StepSpec } from "./executor.ts";

export interface HostFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

/** Writes both files into the step's scratch directory; gives their paths. */
export function writeHostFiles(step: StepSpec): HostFiles {
  const hosts = join(step.scratch, "hosts");
  const resolvConf = join(step.scratch, "resolv.conf");
  writeFileSync(hosts, hostsText(step), { mode: 0o644 });
  writeFileSync(resolvConf, resolvConfText("/etc/resolv.conf", step.dns), { mode: 0o644 });
  return { hosts, resolvConf };
}

/** localhost's lines with the step's name, then the extra hosts in their order. */
export function hostsText(step: Pick<StepSpec, "hostname" | "extraHosts">): string {
  const extra = step.extraHosts.map(({ host, ip }) => `${ip === "host-gateway" ? gatewayAddress() : ip}\t${host}\n`);
  return `127.0.0.1\tlocalhost ${step.hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n${extra.join("")}`;
}

/**
 * The machine's own resolv.conf: steps use its network, so its resolver, also one on 127.0.0.x, answers them too. Without
 * a nameserver line it names Google's, as docker and BuildKit do. Each kind of line that `dns` says takes the machine's place.
 */
export function resolvConfText(path = "/etc/resolv.conf", dns?: DnsSettings): string {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // a machine without resolver: the defaults below
  }
  if (dns !== undefined) text = withSettings(text, dns);
  if (/^\s*nameserver\s+\S/m.test(text)) return text.endsWith("\n") ? text : `${text}\n`;
  const kept = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${kept}nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\nnameserver 2001:4860:4860::8844\n`;
}

function withSettings(text: string, { servers, options, search }: DnsSettings): string {
  const said: readonly (readonly [kind: RegExp, lines: readonly string[]])[] = [
    [/^\s*(?:search|domain)\s/, search.length === 0 ? [] : [`search ${search.join(" ")}`]],
    [/^\s*nameserver\s/, servers.map((server) => `nameserver ${server}`)],
    [/^\s*options\s/, options.length === 0 ? [] : [`options ${options.join(" ")}`]],
  ];
  const replaced = said.filter(([, lines]) => lines.length > 0);
  const kept = text.split("\n").filter((line) => line !== "" && !replaced.some(([kind]) => kind.test(line)));
  return [...kept, ...replaced.flatMap(([, lines]) => lines), ""].join("\n");
}

function gatewayAddress(): string {
  const address = hostGateway();
  if (address === undefined)
    throw new BuildError("SANDBOX", 'an extra host asks for "host-gateway", but this machine has no IPv4 address');
  return address;
}
