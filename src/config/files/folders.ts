// The folders in which tools of this field keep configuration.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../environment.ts";
import { homeFolder } from "../home.ts";

/** Absolute paths. */
export interface ConfigFolders {
  readonly home: string;
  /** `$XDG_CONFIG_HOME`, else `~/.config`. */
  readonly config: string;
  /** `$XDG_CACHE_HOME`, else `~/.cache`. */
  readonly cache: string;
  /** `$DOCKER_CONFIG`, else `~/.docker`. */
  readonly docker: string;
  /** Where podman keeps what is gone after a restart: `$XDG_RUNTIME_DIR/containers`, else /run/containers/UID. */
  readonly containersRuntime: string;
  /** The system's: "/etc"; another one in tests. */
  readonly etc: string;
}

/** Where configuration lies for whoever has this environment. A relative path in an XDG variable is ignored (XDG base directories). */
export function configFolders(environment: Environment, etc = "/etc"): ConfigFolders {
  const absolute = (name: string): string | undefined => {
    const value = environment[name];
    return value?.startsWith("/") ? value : undefined;
  };
  const runtime = absolute("XDG_RUNTIME_DIR");
  const home = homeFolder(environment) ?? "/";
  return {
    home,
    config: absolute("XDG_CONFIG_HOME") ?? join(home, ".config"),
    cache: absolute("XDG_CACHE_HOME") ?? join(home, ".cache"),
    docker: environment["DOCKER_CONFIG"] || join(home, ".docker"),
    containersRuntime: runtime === undefined ? `/run/containers/${outerUid()}` : join(runtime, "containers"),
    etc,
  };
}

/** docker's config.json. */
export function dockerConfigPath({ docker }: Pick<ConfigFolders, "docker">): string {
  return join(docker, "config.json");
}

/** The user's id outside of the namespace in which a build may run (user_namespaces(7), uid_map). */
function outerUid(): number {
  const uid = process.getuid?.() ?? 0;
  try {
    for (const line of readFileSync("/proc/self/uid_map", "utf8").trim().split("\n")) {
      const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
      if (uid >= inside && uid < inside + count) return outside + (uid - inside);
    }
  } catch {
    // No /proc: no namespace of ours either.
  }
  return uid;
}
