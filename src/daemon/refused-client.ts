// Why TLS kept a client out, for the daemon's log: the client itself often sees no more than a connection that ends.

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** A client that did not come in. */
export interface RefusedClient {
  /** Its address; "" where it was gone before anybody asked. */
  readonly from: string;
  readonly why: string;
  /** Whether it did no more than end the connection, as whoever probes a port does. */
  readonly hungUp: boolean;
}

/** Codes of Node's (doc/api/tls.md, "X509 certificate error codes"), and of OpenSSL's. */
const REASONS: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "it showed no certificate",
  CERT_HAS_EXPIRED: "its certificate, or that of its authority, has expired",
  CERT_NOT_YET_VALID: "its certificate, or that of its authority, is not valid yet",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not signed by our authority (--tlscacert)",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is not signed by our authority (--tlscacert)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not signed by our authority (--tlscacert)",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not signed by our authority (--tlscacert)",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself, and not by our authority (--tlscacert)",
  INVALID_PURPOSE: "its certificate is not for clients",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
  ERR_SSL_HTTP_REQUEST: "it speaks HTTP without TLS",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it speaks only versions of TLS before 1.2",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not trust who signed our certificate",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "it does not accept our certificate",
};

/** What a handshake failed with. */
export function refusedClient(error: Error, socket: TLSSocket): RefusedClient {
  // The one underneath still knows the address when it is closed.
  const from = (socket as unknown as { readonly _parent?: Socket })._parent?.remoteAddress ?? "";
  // Undefined or null before there is a certificate, whatever the types say.
  const refusal: unknown = socket.authorizationError;
  const verdict = refusal instanceof Error ? ((refusal as NodeJS.ErrnoException).code ?? refusal.message) : refusal;
  const code = typeof verdict === "string" ? verdict : ((error as NodeJS.ErrnoException).code ?? "");
  const hungUp = typeof verdict !== "string" && code === "ECONNRESET";
  const why = hungUp ? "it hung up: it may not trust our certificate" : (REASONS[code] ?? (code || error.message));
  return { from, why, hungUp };
}
