// Whose connection it is: tenants are told apart by the certificate that a client shows, or by the address on which it
// comes in. Each has a store, builds and sessions of its own, so nothing that one has can be named by another. Within a
// tenant clients are told apart so that each gets its share: one may open a connection for each build, as buildx does.

import type { Duplex } from "node:stream";
import { Socket } from "node:net";
import type { PeerCertificate } from "node:tls";
import { TLSSocket } from "node:tls";
import { peerUid } from "../../builder/core/system/syscall.ts";

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

/**
 * Who a client is, equal for all its connections: who its certificate is for, which user of this machine has connected to the
 * unix socket, or from which address it came.
 */
export function clientOf(connection: Duplex): string {
  if (!(connection instanceof Socket)) return "";
  const subject = subjectOf(connection);
  if (subject !== undefined) return `certificate ${JSON.stringify(subject)}`;
  if (connection.remoteAddress !== undefined) return `address ${connection.remoteAddress}`;
  return `user ${peerUid(descriptorOf(connection)) ?? ""}`;
}

function commonName(connection: Socket): string | undefined {
  const name: unknown = subjectOf(connection)?.CN;
  return typeof name === "string" && name !== "" ? name : undefined;
}

/** Of a certificate that was checked; others say nothing. */
function subjectOf(connection: Socket): PeerCertificate["subject"] | undefined {
  if (!(connection instanceof TLSSocket) || !connection.authorized) return undefined;
  return connection.getPeerCertificate().subject;
}

/** Node has no other word for it; -1 where there is none. */
function descriptorOf(connection: Socket): number {
  return (connection as unknown as { readonly _handle?: { readonly fd?: number } })._handle?.fd ?? -1; // net.Socket
}
