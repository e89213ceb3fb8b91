// Why a connection with TLS did not come about, in the words of the flags and files that it was to be made with.

import { X509Certificate } from "node:crypto";
import type { TlsOptions } from "./host.ts";

/** What failed and what to do about it. */
export interface TlsFailure {
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Codes of Node's for a certificate that none of the authorities has signed (doc/api/tls.md, "X509 certificate error codes"). */
const NOT_SIGNED: ReadonlySet<string> = new Set([
  ...["SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ...["UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "CERT_SIGNATURE_FAILURE"],
]);

/** What is wrong with the daemon's certificate or ours; undefined where it is something else. `code` is the error's. */
export function tlsFailure(code: string, tls: TlsOptions): TlsFailure | undefined {
  const { files, servername } = tls;
  if (NOT_SIGNED.has(code))
    return files.ca === ""
      ? { message: "nobody that this machine trusts signed its certificate", hint: "--tls-ca FILE names who did" }
      : { message: `its certificate is not signed by --tls-ca ${files.ca}`, hint: "is it the daemon's authority?" };
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    const when = code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet";
    return { message: `its certificate, or that of its authority, ${when}`, hint: "is this machine's clock right?" };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return {
      message: `its certificate is not for "${servername}"`,
      hint: "--tls-server-name NAME says which name it has",
    };
  if (/CERTIFICATE_REQUIRED$|ALERT_HANDSHAKE_FAILURE$/.test(code) && files.cert === "")
    return { message: "it wants a certificate of ours", hint: "give --tls-cert FILE and --tls-key FILE" };
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG")
    return { message: "it does not speak TLS", hint: "leave the --tls-… flags (and TSBUILD_TLS_…) away" };
  if (files.cert === "") return undefined;
  const ours = `our certificate (--tls-cert ${files.cert})`;
  if (/ALERT/.test(code)) return refused(`it does not accept ${ours}`, tls);
  // Some servers hang up on a stranger, ours among them.
  if (code === "ECONNRESET") return refused(`it ended the connection, and may not accept ${ours}`, tls);
  return undefined;
}

function refused(message: string, { cert }: TlsOptions): TlsFailure {
  const { issuer, validFrom, validTo } = new X509Certificate(cert ?? "");
  const now = Date.now();
  if (Date.parse(validTo) < now) return { message, hint: `it has expired: ${validTo}` };
  if (Date.parse(validFrom) > now) return { message, hint: `it is not valid before ${validFrom}` };
  return { message, hint: `does the daemon trust who signed it (${issuer.replaceAll("\n", ", ")})?` };
}
