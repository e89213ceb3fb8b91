// Who this process is to AWS, and which region it speaks to: from the environment, and from the files of AWS's tools
// (docs.aws.amazon.com/sdkref, "Shared config and credentials files"). In the SDKs' order: keys of the environment, a
// token of the environment, the profile, the container's service, the instance's.

import { join } from "node:path";
import { BuildError } from "../../../builder/core/errors.ts";
import type { AwsRole, AwsWay } from "../../../builder/transport/cloud/aws-credentials.ts";
import type { Environment } from "../environment.ts";
import { homeFolder } from "../home.ts";
import type { IniFile } from "./ini.ts";
import { readIni } from "./ini.ts";

export interface AwsSettings {
  readonly way: AwsWay;
  readonly region: string | undefined;
}

/** The region where an SDK uses the token service that names none. */
const GLOBAL_REGION = "us-east-1";
const SESSION = "tsbuild";
/** A profile may name another one; so many in a row are a loop. */
const MAX_PROFILES = 8;

/** Reads the environment and the files. Throws `CONFIG` for files that may not be read, and for a profile that is not there. */
export async function awsSettings(environment: Environment): Promise<AwsSettings> {
  const text = (name: string): string | undefined => environment[name] || undefined;
  const profiles = await readProfiles(environment);
  const profile = text("AWS_PROFILE") ?? text("AWS_DEFAULT_PROFILE");
  if (profile !== undefined && !profiles.has(profile))
    throw new BuildError("CONFIG", `there is no AWS profile "${profile}"`, { hint: "AWS_PROFILE names it" });
  const settings = profiles.get(profile ?? "default") ?? new Map<string, string>();
  const region = text("AWS_REGION") ?? text("AWS_DEFAULT_REGION") ?? settings.get("region");
  const stsEndpoint = text("AWS_ENDPOINT_URL_STS");
  const base = { region: region ?? GLOBAL_REGION, ...(stsEndpoint === undefined ? {} : { stsEndpoint }) };
  const way =
    keysIn(text) ??
    tokenIn(text, base) ??
    wayOfProfile(profile ?? "default", profiles, base, environment) ??
    serviceIn(environment);
  return { way, region };
}

type Base = Pick<AwsRole, "region" | "stsEndpoint">;

function keysIn(text: (name: string) => string | undefined): AwsWay | undefined {
  const accessKeyId = text("AWS_ACCESS_KEY_ID") ?? text("AWS_ACCESS_KEY");
  const secretAccessKey = text("AWS_SECRET_ACCESS_KEY") ?? text("AWS_SECRET_KEY");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = text("AWS_SESSION_TOKEN");
  return {
    kind: "keys",
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  };
}

function tokenIn(text: (name: string) => string | undefined, base: Base): AwsWay | undefined {
  const tokenFile = text("AWS_WEB_IDENTITY_TOKEN_FILE");
  const roleArn = text("AWS_ROLE_ARN");
  if (tokenFile === undefined || roleArn === undefined) return undefined;
  return { kind: "web-identity", tokenFile, roleArn, sessionName: text("AWS_ROLE_SESSION_NAME") ?? SESSION, ...base };
}

/** "[profile x]" of the one file and "[x]" of the other; the other one's keys win. */
async function readProfiles(environment: Environment): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const folder = join(homeFolder(environment) ?? "/", ".aws");
  const [config, credentials] = await Promise.all([
    readIni(environment["AWS_CONFIG_FILE"] || join(folder, "config")),
    readIni(environment["AWS_SHARED_CREDENTIALS_FILE"] || join(folder, "credentials")),
  ]);
  const profiles = new Map<string, ReadonlyMap<string, string>>();
  const add = (file: IniFile, nameOf: (section: string) => string | undefined): void => {
    for (const [section, values] of file) {
      const name = nameOf(section);
      if (name !== undefined) profiles.set(name, new Map([...(profiles.get(name) ?? []), ...values]));
    }
  };
  add(config, (section) => (section === "default" ? section : /^profile (.+)$/.exec(section)?.[1]));
  add(credentials, (section) => section);
  return profiles;
}

function wayOfProfile(
  name: string,
  profiles: ReadonlyMap<string, ReadonlyMap<string, string>>,
  base: Base,
  environment: Environment,
  depth = 0,
): AwsWay | undefined {
  const profile = profiles.get(name);
  if (profile === undefined) return undefined;
  if (depth === MAX_PROFILES) throw new BuildError("CONFIG", `the AWS profile "${name}" stands on itself`);
  const roleArn = profile.get("role_arn");
  const keys = keysOfProfile(profile);
  const role = { sessionName: profile.get("role_session_name") ?? SESSION, ...base };
  if (roleArn !== undefined) {
    const tokenFile = profile.get("web_identity_token_file");
    if (tokenFile !== undefined) return { kind: "web-identity", tokenFile, roleArn, ...role };
    const source = profile.get("source_profile");
    const from =
      source === undefined
        ? sourceOf(name, profile.get("credential_source"), environment)
        : source === name
          ? keys
          : wayOfProfile(source, profiles, base, environment, depth + 1);
    if (from === undefined)
      throw new BuildError("CONFIG", `the AWS profile "${name}" has a role and nobody who takes it`);
    const externalId = profile.get("external_id");
    return { kind: "role", from, roleArn, ...role, ...(externalId === undefined ? {} : { externalId }) };
  }
  if (keys !== undefined) return keys;
  for (const key of ["sso_session", "sso_start_url", "credential_process", "login_session"])
    if (profile.has(key))
      return {
        kind: "none",
        reason: `the AWS profile "${name}" uses ${key}, which tsbuild does not`,
        hint: `eval "$(aws configure export-credentials --profile ${name} --format env)" gives keys`,
      };
  return undefined;
}

function keysOfProfile(profile: ReadonlyMap<string, string>): AwsWay | undefined {
  const accessKeyId = profile.get("aws_access_key_id");
  const secretAccessKey = profile.get("aws_secret_access_key");
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const sessionToken = profile.get("aws_session_token");
  return {
    kind: "keys",
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  };
}

function sourceOf(name: string, source: string | undefined, environment: Environment): AwsWay | undefined {
  if (source === undefined) return undefined;
  if (source === "Environment") return keysIn((key) => environment[key] || undefined);
  if (source === "EcsContainer" || source === "Ec2InstanceMetadata") return serviceIn(environment);
  throw new BuildError("CONFIG", `the AWS profile "${name}": there is no credential_source "${source}"`);
}

/** The service that a container was told of, or else the instance's. */
function serviceIn(environment: Environment): AwsWay {
  const relative = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
  const full = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const url = relative ? `http://169.254.170.2${relative}` : full;
  if (url) {
    if (!relative && !isTrusted(url))
      throw new BuildError(
        "CONFIG",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine",
      );
    const tokenFile = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
    const token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"];
    return { kind: "container", url, ...(tokenFile && { tokenFile }), ...(token && { token }) };
  }
  if (environment["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true")
    return {
      kind: "none",
      reason: "there are no AWS credentials",
      hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    };
  const endpoint = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] || "http://169.254.169.254";
  return { kind: "instance", endpoint };
}

/** Plain http only to this machine, and to the addresses of ECS and EKS. */
function isTrusted(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return (
    protocol === "https:" ||
    /^(?:localhost|127(?:\.\d+){3}|\[::1\]|169\.254\.170\.(?:2|23)|\[fd00:ec2::23\])$/.test(hostname)
  );
}
