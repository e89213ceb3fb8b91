// The messages of what a client offers inside a session: its secrets, its logins, its SSH agents (BuildKit,
// session/{auth,secrets,sshforward}). Its files are in packets.ts.

import { bytes, message, string, stringMap } from "./message.ts";

export const CredentialsRequest = message({ host: string(1) });
export const CredentialsResponse = message({ username: string(1), secret: string(2) });
export const GetSecretRequest = message({ id: string(1), annotations: stringMap(2) });
export const GetSecretResponse = message({ data: bytes(1) });
export const CheckAgentRequest = message({ id: string(1) });
