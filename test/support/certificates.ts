// Certificates for the servers of tests, made by openssl: an authority of our own, what it signed, and what nobody did.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Why there are no certificates here; false when there are. */
export const noOpenssl: string | false =
  spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";

/** A certificate and its key: paths of PEM files, and their text. */
export interface Certificate {
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly certificate: string;
  readonly key: string;
}

/** Makes a certificate that signs itself: an authority, or the signer of tokens. */
export function makeAuthority(folder: string, name: string): Certificate {
  const [certificatePath, keyPath] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-days", "2"];
  openssl("req", "-x509", ...NEW_KEY, "-keyout", keyPath, "-out", certificatePath, ...subject);
  return read(certificatePath, keyPath);
}

/** Makes a certificate for this machine's loopback addresses (or others, "DNS:r.example"), or for a client, signed by an authority; -1 days: one that has expired. */
export function makeCertificate(
  folder: string,
  name: string,
  authority: Certificate,
  subjects = "IP:127.0.0.1,DNS:localhost",
  days = 2,
): Certificate {
  const [certificatePath, keyPath] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const [request, extensions] = [join(folder, `${name}.csr`), join(folder, `${name}.ext`)];
  writeFileSync(extensions, `subjectAltName=${subjects}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  openssl("req", ...NEW_KEY, "-keyout", keyPath, "-out", request, "-subj", `/CN=${name}`);
  const signer = ["-CA", authority.certificatePath, "-CAkey", authority.keyPath, "-CAcreateserial"];
  openssl(
    "x509",
    "-req",
    "-in",
    request,
    ...signer,
    "-days",
    String(days),
    "-extfile",
    extensions,
    "-out",
    certificatePath,
  );
  return read(certificatePath, keyPath);
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function read(certificatePath: string, keyPath: string): Certificate {
  const [certificate, key] = [readFileSync(certificatePath, "utf8"), readFileSync(keyPath, "utf8")];
  return { certificatePath, keyPath, certificate, key };
}
