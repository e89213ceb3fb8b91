// Which cloud a registry's name belongs to, and how this process would log in there. Nothing is asked of anybody.

import type { RegistryWay } from "../../../builder/transport/cloud/registry-login.ts";
import type { Environment } from "../environment.ts";

/** kaniko's names of them. */
export const CLOUD_HELPERS = ["env", "google", "ecr", "acr", "gitlab"] as const;
export type CloudHelper = (typeof CLOUD_HELPERS)[number];

const ECR =
  /^\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)$/;
const ECR_PUBLIC = "public.ecr.aws";
const PUBLIC_REGION = "us-east-1";
const GOOGLE = /^(?:(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+\.pkg\.dev)$/;
const ACR = /^[a-z0-9-]+\.azurecr\.(?:io|cn|us|de)$/;
const GITHUB = new Set(["ghcr.io", "docker.pkg.github.com"]);

/** How a registry ("ghcr.io", "123….dkr.ecr.eu-west-1.amazonaws.com") is logged in to; undefined for one of nobody's. Throws `CONFIG`. */
export async function registryWay(
  registry: string,
  environment: Environment,
  helpers: readonly CloudHelper[],
): Promise<RegistryWay | undefined> {
  for (const helper of helpers) {
    const way = await WAYS[helper](registry, environment);
    if (way !== undefined) return way;
  }
  return undefined;
}

type FindWay = (registry: string, environment: Environment) => Promise<RegistryWay | undefined> | undefined;

const WAYS: Readonly<Record<CloudHelper, FindWay>> = {
  env: async (registry, environment) => loginInEnvironment(registry, environment) ?? gitHubLogin(registry, environment),
  google: (registry, environment) => (GOOGLE.test(registry) ? googleRegistry(environment) : undefined),
  ecr: (registry, environment) => {
    const [, region, domain] = ECR.exec(registry) ?? [];
    if (region !== undefined) return ecrRegistry("ecr", region, domain ?? "", environment);
    return registry === ECR_PUBLIC ? ecrRegistry("ecr-public", PUBLIC_REGION, "", environment) : undefined;
  },
  acr: (registry, environment) => (ACR.test(registry) ? acrRegistry(registry, environment) : undefined),
  gitlab: async (registry, environment) => gitLabLogin(registry, environment),
};

async function googleRegistry(environment: Environment): Promise<RegistryWay> {
  const { googleWay } = await import("./google.ts");
  return { kind: "google", google: await googleWay(environment) };
}

async function ecrRegistry(
  service: "ecr" | "ecr-public",
  region: string,
  domain: string,
  environment: Environment,
): Promise<RegistryWay> {
  const { awsSettings } = await import("./aws.ts");
  const { way } = await awsSettings(environment);
  const variable = service === "ecr" ? "AWS_ENDPOINT_URL_ECR" : "AWS_ENDPOINT_URL_ECR_PUBLIC";
  const suffix = domain.endsWith(".cn") ? "amazonaws.com.cn" : "amazonaws.com";
  const endpoint =
    environment[variable] || environment["AWS_ENDPOINT_URL"] || `https://api.${service}.${region}.${suffix}/`;
  return { kind: "ecr", service, region, endpoint, aws: way };
}

async function acrRegistry(registry: string, environment: Environment): Promise<RegistryWay> {
  const { azureWay } = await import("./azure.ts");
  const tenantId = environment["AZURE_TENANT_ID"];
  const origin = `https://${registry}`;
  return { kind: "acr", origin, service: registry, azure: azureWay(environment), ...(tenantId && { tenantId }) };
}

/** DOCKER_<host>_USR and _PSW, with "_" for "." and "__" for "-"; a domain's stand for the hosts below it (docker-credential-env). */
function loginInEnvironment(registry: string, environment: Environment): RegistryWay | undefined {
  const labels = registry.replace(/:\d+$/, "").split(".");
  for (let at = 0; at < labels.length; at++) {
    const name = labels.slice(at).join("_").replaceAll("-", "__");
    const [username, password] = [environment[`DOCKER_${name}_USR`], environment[`DOCKER_${name}_PSW`]];
    if (username && password) return known(username, password);
  }
  return undefined;
}

function gitHubLogin(registry: string, environment: Environment): RegistryWay | undefined {
  const token = environment["GITHUB_TOKEN"];
  if (!GITHUB.has(registry) || !token) return undefined;
  return known(environment["GITHUB_ACTOR"] || "x-access-token", token);
}

/** What GitLab gives its jobs (docs.gitlab.com/user/packages/container_registry/authenticate_with_container_registry). */
function gitLabLogin(registry: string, environment: Environment): RegistryWay | undefined {
  const { CI_REGISTRY: own, CI_REGISTRY_USER: user, CI_REGISTRY_PASSWORD: password, CI_JOB_TOKEN: token } = environment;
  const { CI_DEPENDENCY_PROXY_SERVER: proxy, CI_DEPENDENCY_PROXY_USER, CI_DEPENDENCY_PROXY_PASSWORD } = environment;
  if (own === registry && user && password) return known(user, password);
  if (own === registry && token) return known("gitlab-ci-token", token);
  const isProxy = proxy !== undefined && proxy.replace(/:443$/, "") === registry.replace(/:443$/, "");
  return isProxy && CI_DEPENDENCY_PROXY_USER && CI_DEPENDENCY_PROXY_PASSWORD
    ? known(CI_DEPENDENCY_PROXY_USER, CI_DEPENDENCY_PROXY_PASSWORD)
    : undefined;
}

function known(username: string, password: string): RegistryWay {
  return { kind: "known", credentials: { username, password } };
}
