// Whose connection it is: tenants are told apart by the certificate that a client shows, or by the address on which it
// comes in. Each has a store, builds and sessions of its own, so nothing that one has can be named by another.

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** How clients of a tenant are known. */
export interface TenantRule {
  readonly name: string;
  /** Common names of certificates. */
  readonly certificates: readonly string[];
  /** Addresses that are the tenant's alone, as they were configured. */
  readonly addresses: readonly string[];
}

/** Of clients that belong to nobody. */
export const NO_TENANT = "";

/** The tenant of a connection on an address. The certificate counts before the address. */
export function tenantOf(connection: Socket, address: string, tenants: readonly TenantRule[]): string {
  const name = commonName(connection);
  const byName = tenants.find(({ certificates }) => name !== undefined && certificates.includes(name));
  return (byName ?? tenants.find(({ addresses }) => addresses.includes(address)))?.name ?? NO_TENANT;
}

/** Of a certificate that was checked; others say nothing. */
function commonName(connection: Socket): string | undefined {
  if (!(connection instanceof TLSSocket) || !connection.authorized) return undefined;
  const name: unknown = connection.getPeerCertificate().subject?.CN;
  return typeof name === "string" && name !== "" ? name : undefined;
}
