// Where traces go: OpenTelemetry's environment variables (opentelemetry.io, OTLP exporter configuration), or `[otel]` in
// the daemon's file; what stands in the file comes first.

import { BuildError } from "../../../builder/core/errors.ts";
import type { Environment } from "../environment.ts";

/** `[otel]` of a file. */
export interface OtelTable {
  readonly endpoint?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an exporter of traces needs. */
export interface OtlpTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly resource: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** JSON, which every collector takes, unless somebody asks for protobuf. */
  readonly encoding: "json" | "protobuf";
}

const TIMEOUT_MS = 10_000;

/** Undefined where nobody says an endpoint, or somebody turns it off. Throws `CONFIG` for what cannot be done. */
export function otlpTarget(table: OtelTable, environment: Environment): OtlpTarget | undefined {
  const read = (name: string): string => environment[name]?.trim() ?? "";
  if (read("OTEL_SDK_DISABLED").toLowerCase() === "true" || read("OTEL_TRACES_EXPORTER") === "none") return undefined;
  const own = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  const all = table.endpoint ?? read("OTEL_EXPORTER_OTLP_ENDPOINT");
  const text =
    table.endpoint === undefined && own !== "" ? own : all === "" ? "" : `${all.replace(/\/+$/, "")}/v1/traces`;
  if (text === "") return undefined;
  const protocol = read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") || read("OTEL_EXPORTER_OTLP_PROTOCOL");
  if (table.endpoint === undefined && !["", "http/json", "http/protobuf"].includes(protocol))
    throw new BuildError("CONFIG", `OTEL_EXPORTER_OTLP_PROTOCOL: "${protocol}" is not offered`, {
      hint: "http/protobuf and http/json are, with the collector's HTTP port (4318)",
    });
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new BuildError("CONFIG", `the endpoint of traces "${text}" is no http or https URL`, {
      hint: "write it as http://localhost:4318",
    });
  if (new URL(text).username !== "" || new URL(text).password !== "")
    throw new BuildError("CONFIG", "the endpoint of traces has a login in its URL", {
      hint: "send it as a header: OTEL_EXPORTER_OTLP_HEADERS=authorization=…, or [otel.headers]",
    });
  const timeout = Number(read("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") || read("OTEL_EXPORTER_OTLP_TIMEOUT"));
  const headers = read("OTEL_EXPORTER_OTLP_TRACES_HEADERS") || read("OTEL_EXPORTER_OTLP_HEADERS");
  return {
    url: text,
    headers: { ...pairs(headers, "OTEL_EXPORTER_OTLP_HEADERS"), ...table.headers },
    resource: {
      ...pairs(read("OTEL_RESOURCE_ATTRIBUTES"), "OTEL_RESOURCE_ATTRIBUTES"),
      ...(read("OTEL_SERVICE_NAME") === "" ? {} : { "service.name": read("OTEL_SERVICE_NAME") }),
    },
    timeoutMs: timeout > 0 ? timeout : TIMEOUT_MS,
    encoding: protocol === "http/protobuf" ? "protobuf" : "json",
  };
}

/** `key=value,key=value` with percent escapes (W3C Baggage). */
function pairs(text: string, variable: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const part of text.split(",").filter((one) => one.trim() !== "")) {
    const at = part.indexOf("=");
    try {
      if (at <= 0) throw new Error("no =");
      result[decodeURIComponent(part.slice(0, at).trim())] = decodeURIComponent(part.slice(at + 1).trim());
    } catch (cause) {
      // Its values may be secret.
      throw new BuildError("CONFIG", `${variable} is not a list of key=value`, { cause });
    }
  }
  return result;
}
