// EXPOSE: "80", "80/udp", "8000-8010/tcp"; a host part ("127.0.0.1:80:80") is read and dropped.

import { isIP } from "node:net";
import type { Expose } from "../../instruction.ts";
import type { Conversion } from "../conversion.ts";
import { fault } from "../fault.ts";
import { plainList } from "./go-text.ts";
import { withAddition, withHistory } from "./image-draft.ts";
import type { Stage } from "../stages/stage.ts";
import { expandList } from "../variables/words.ts";

export function applyExpose(conversion: Conversion, stage: Stage, instruction: Expose): void {
  const written = instruction.ports.flatMap((port) => expandList(conversion, stage, port));
  const ports: string[] = [];
  for (const text of written) {
    const spec = readPort(text);
    if (spec.protocol !== spec.protocol.toLowerCase()) conversion.findings.exposeCasing(text, instruction.range);
    if (spec.hasHost) conversion.findings.exposeFormat(text, instruction.range);
    if (ports.length + spec.ports.length > MAX_PORTS) throw fault(`EXPOSE names more than ${MAX_PORTS} ports`);
    for (const port of spec.ports) ports.push(port);
  }
  stage.draft = withAddition(stage.draft, { to: "ExposedPorts", names: ports });
  stage.draft = withHistory(stage.draft, `EXPOSE ${plainList(ports)}`, "empty");
}

/** Of one instruction: more than there are, in all protocols. */
const MAX_PORTS = 200_000;

interface PortSpec {
  /** "80/tcp", one for each of a range. */
  readonly ports: readonly string[];
  readonly protocol: string;
  readonly hasHost: boolean;
}

/** Reads one port specification. Throws for what is none. */
export function readPort(text: string): PortSpec {
  const parts = text.split(":");
  const container = parts.at(-1) ?? "";
  const hostPort = parts.length > 1 ? (parts.at(-2) ?? "") : "";
  const address = parts.slice(0, -2).join(":");
  const slash = container.indexOf("/");
  const range = slash < 0 ? container : container.slice(0, slash);
  const protocol = (slash < 0 ? "" : container.slice(slash + 1)) || "tcp";
  if (range === "") throw fault(`invalid port: "${text}": no port specified`);
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase()))
    throw fault(`invalid port: "${text}": invalid proto: ${protocol}`);
  checkAddress(address);
  const ports = readRange(range);
  if (ports === undefined) throw fault(`invalid containerPort: ${range}`);
  checkHostPort(hostPort, range, ports);
  const count = ports.end - ports.start + 1;
  const suffix = `/${protocol.toLowerCase()}`;
  return {
    ports: Array.from({ length: count }, (_, index) => `${ports.start + index}${suffix}`),
    protocol,
    hasHost: address !== "" || hostPort !== "",
  };
}

function checkAddress(address: string): void {
  const bare = /^\[(.*)\]$/.exec(address)?.[1] ?? address;
  if (bare !== "" && isIP(bare) === 0) throw fault(`invalid IP address: ${bare}`);
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function checkHostPort(hostPort: string, range: string, ports: Range): void {
  if (hostPort === "") return;
  const host = readRange(hostPort);
  if (host === undefined) throw fault(`invalid hostPort: ${hostPort}`);
  if (ports.end !== ports.start && ports.end - ports.start !== host.end - host.start) {
    throw fault(`invalid ranges specified for container and host Ports: ${range} and ${hostPort}`);
  }
}

function readRange(text: string): Range | undefined {
  const dash = text.indexOf("-");
  const start = readNumber(dash < 0 ? text : text.slice(0, dash));
  const end = dash < 0 ? start : readNumber(text.slice(dash + 1));
  return start === undefined || end === undefined || end < start ? undefined : { start, end };
}

function readNumber(text: string): number | undefined {
  const port = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65535 ? port : undefined;
}
