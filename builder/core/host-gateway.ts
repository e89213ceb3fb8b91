// The address of the machine itself.

import { networkInterfaces } from "node:os";

/** What `host-gateway` means for a step on the machine's own network: an IPv4 address of the machine that others can reach too; undefined without any. */
export function hostGateway(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outward = addresses.find((address) => address.family === "IPv4" && !address.internal);
  return (outward ?? addresses.find((candidate) => candidate.family === "IPv4"))?.address;
}
