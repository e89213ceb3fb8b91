// How this process logs in to Azure: the variables that its SDKs and AKS know.

import type { AzureWay } from "../../../builder/transport/cloud/azure-credentials.ts";
import type { Environment } from "../environment.ts";

/** The way that the environment names: an application's secret, a workload's token, else the machine's own identity. */
export function azureWay(environment: Environment): AzureWay {
  const text = (name: string): string | undefined => environment[name] || undefined;
  const tenantId = text("AZURE_TENANT_ID");
  const clientId = text("AZURE_CLIENT_ID");
  const secret = text("AZURE_CLIENT_SECRET");
  const tokenFile = text("AZURE_FEDERATED_TOKEN_FILE");
  const authority = text("AZURE_AUTHORITY_HOST") ?? "https://login.microsoftonline.com/";
  if (tenantId !== undefined && clientId !== undefined) {
    if (secret !== undefined) return { kind: "secret", authority, tenantId, clientId, secret };
    if (tokenFile !== undefined) return { kind: "federated", authority, tenantId, clientId, tokenFile };
  }
  const endpoint = text("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? "http://169.254.169.254";
  return { kind: "machine", endpoint, ...(clientId === undefined ? {} : { clientId }) };
}
