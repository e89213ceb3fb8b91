// What docker's clients ask first: whether somebody is there, which version of the API he speaks, what machine it is.

import { availableParallelism, hostname, release, totalmem, type } from "node:os";
import type { ServerResponse } from "node:http";
import { readFile } from "node:fs/promises";
import { hostPlatform } from "../../../builder/core/image/platform.ts";
import { listImages } from "../../../builder/images.ts";
import { VERSION } from "../../version.ts";
import { sendBytes, sendJson } from "../http/answer.ts";
import type { Route } from "../http/router.ts";
import { API_VERSION, MIN_API_VERSION } from "../http/router.ts";
import type { DaemonSettings } from "../settings.ts";
import type { EngineEvents } from "./events.ts";
import { eventsHandler } from "./events.ts";

/** `docker build` goes through BuildKit's API, which this is. */
const BUILDER_VERSION = "2";

/** The routes about the daemon itself. */
export function aboutRoutes(settings: DaemonSettings, events: EngineEvents): readonly Route[] {
  return [
    { method: "GET", pattern: "/_ping", handler: async (_, response) => ping(response) },
    { method: "GET", pattern: "/version", handler: async (_, response) => sendJson(response, 200, version()) },
    {
      method: "GET",
      pattern: "/info",
      handler: async (_, response) => sendJson(response, 200, await info(settings)),
    },
    { method: "GET", pattern: "/events", handler: eventsHandler(events) },
  ];
}

async function ping(response: ServerResponse): Promise<void> {
  response.setHeader("Api-Version", API_VERSION);
  response.setHeader("Builder-Version", BUILDER_VERSION);
  response.setHeader("Docker-Experimental", "false");
  response.setHeader("Ostype", hostPlatform().os);
  response.setHeader("Swarm", "inactive");
  response.setHeader("Cache-Control", "no-cache, no-store, must-revalidate");
  sendBytes(response, 200, "text/plain; charset=utf-8", Buffer.from("OK"));
}

function version(): object {
  const { os, architecture } = hostPlatform();
  return {
    Platform: { Name: "tsbuild" },
    Version: VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    Os: os,
    Arch: architecture,
    KernelVersion: release(),
    Components: [
      {
        // Clients look for the daemon itself under this name.
        Name: "Engine",
        Version: VERSION,
        Details: {
          ...{ ApiVersion: API_VERSION, MinAPIVersion: MIN_API_VERSION, Os: os, Arch: architecture },
          ...{ KernelVersion: release(), GoVersion: "none", GitCommit: "", BuildTime: "", Experimental: "false" },
        },
      },
    ],
  };
}

async function info({ root }: DaemonSettings): Promise<object> {
  return {
    ID: "tsbuild",
    Name: hostname(),
    ServerVersion: VERSION,
    OSType: hostPlatform().os,
    Architecture: MACHINES.get(hostPlatform().architecture) ?? hostPlatform().architecture,
    OperatingSystem: await systemName(),
    SystemTime: new Date().toISOString(),
    KernelVersion: release(),
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    DockerRootDir: root,
    Driver: "tsbuild",
    // By this clients know that manifests are kept, and indexes, and offer what needs them.
    DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    Images: new Set((await listImages(root)).map(({ digest }) => digest)).size,
    Containers: 0,
    ContainersRunning: 0,
    ContainersPaused: 0,
    ContainersStopped: 0,
    ExperimentalBuild: false,
    IndexServerAddress: "https://index.docker.io/v1/",
    Swarm: { LocalNodeState: "inactive" },
    Plugins: {},
    SecurityOptions: ["name=seccomp,profile=builtin", ...(process.getuid?.() === 0 ? [] : ["name=rootless"])],
    Labels: [],
    Warnings: [],
  };
}

/** As uname(1) has them. */
const MACHINES: ReadonlyMap<string, string> = new Map([
  ["amd64", "x86_64"],
  ["arm64", "aarch64"],
]);

/** As os-release(5) has it. */
async function systemName(): Promise<string> {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? type();
}
