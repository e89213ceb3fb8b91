// Who this process is to Google: the file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's own file, else the machine's
// account (google.aip.dev/auth/4110).

import { join } from "node:path";
import * as v from "valibot";
import { BuildError } from "../../../builder/core/errors.ts";
import type { GoogleWay, SubjectSource } from "../../../builder/transport/cloud/google-credentials.ts";
import type { Environment } from "../environment.ts";
import { homeFolder } from "../home.ts";
import { readJsonObject } from "../files/json-file.ts";

/** Reachable by address: a name server need not know it. */
const METADATA_HOST = "169.254.169.254";
const TOKEN_URL = "https://oauth2.googleapis.com/token";

const FileSchema = v.variant("type", [
  v.object({
    type: v.literal("service_account"),
    client_email: v.string(),
    private_key: v.string(),
    private_key_id: v.optional(v.string(), ""),
    token_uri: v.optional(v.string(), TOKEN_URL),
  }),
  v.object({
    type: v.literal("authorized_user"),
    client_id: v.string(),
    client_secret: v.string(),
    refresh_token: v.string(),
    token_uri: v.optional(v.string(), TOKEN_URL),
  }),
  v.object({
    type: v.literal("external_account"),
    audience: v.string(),
    subject_token_type: v.string(),
    token_url: v.string(),
    service_account_impersonation_url: v.optional(v.string()),
    credential_source: v.object({
      file: v.optional(v.string()),
      url: v.optional(v.string()),
      headers: v.optional(v.record(v.string(), v.string()), {}),
      format: v.optional(
        v.object({ type: v.optional(v.string(), "text"), subject_token_field_name: v.optional(v.string()) }),
        {},
      ),
    }),
  }),
]);

/** The way that the settings name. Throws `CONFIG` for a file that is named and cannot be used. */
export async function googleWay(environment: Environment): Promise<GoogleWay> {
  const named = environment["GOOGLE_APPLICATION_CREDENTIALS"];
  if (named) return await wayInFile(named, true);
  const gcloud = environment["CLOUDSDK_CONFIG"] || join(homeFolder(environment) ?? "/", ".config/gcloud");
  const found = await wayInFile(join(gcloud, "application_default_credentials.json"), false);
  return found.kind === "none" ? { kind: "machine", host: environment["GCE_METADATA_HOST"] || METADATA_HOST } : found;
}

async function wayInFile(path: string, isNamed: boolean): Promise<GoogleWay> {
  const content = await readJsonObject(path);
  if (content === undefined) {
    if (isNamed)
      throw new BuildError("CONFIG", `there is no file "${path}"`, { hint: "GOOGLE_APPLICATION_CREDENTIALS names it" });
    return { kind: "none", reason: `there is no file "${path}"` };
  }
  const parsed = v.safeParse(FileSchema, content);
  // Its messages would quote what stands there.
  if (!parsed.success)
    throw new BuildError("CONFIG", `"${path}" holds no credentials of Google's that can be used`, {
      hint: "known are service_account, authorized_user and external_account with a file or a URL",
    });
  const file = parsed.output;
  switch (file.type) {
    case "service_account": {
      const { client_email: email, private_key: key, private_key_id: keyId, token_uri: tokenUrl } = file;
      return { kind: "service-account", email, key, keyId, tokenUrl };
    }
    case "authorized_user": {
      const {
        client_id: clientId,
        client_secret: clientSecret,
        refresh_token: refreshToken,
        token_uri: tokenUrl,
      } = file;
      return { kind: "person", clientId, clientSecret, refreshToken, tokenUrl };
    }
    case "external_account": {
      const { audience, subject_token_type: subjectTokenType, token_url: tokenUrl } = file;
      const impersonationUrl = file.service_account_impersonation_url;
      const source = sourceOf(file.credential_source, path);
      return {
        kind: "federated",
        audience,
        subjectTokenType,
        tokenUrl,
        source,
        ...(impersonationUrl && { impersonationUrl }),
      };
    }
  }
}

interface FileSource {
  readonly file?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly format: { readonly type: string; readonly subject_token_field_name?: string | undefined };
}

function sourceOf({ file, url, headers, format }: FileSource, path: string): SubjectSource {
  const field = format.type === "json" ? (format.subject_token_field_name ?? "") : undefined;
  const more = field === undefined ? {} : { field };
  if (file !== undefined) return { file, ...more };
  if (url !== undefined && URL.canParse(url)) return { url, headers, ...more };
  throw new BuildError("CONFIG", `"${path}": its credential_source is neither a file nor a URL`, {
    hint: "an identity of AWS, or of a program, is not taken",
  });
}
