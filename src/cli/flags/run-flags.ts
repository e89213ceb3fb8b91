// The flags of `tsbuild run`: those of `docker run` that a look into an image needs. Every other one of docker's is
// refused by name, so that no script believes it had an effect.

import { INSECURE_FLAG } from "./access-flags.ts";
import type { Flag } from "../flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { LIMIT_FLAGS } from "../values/unpack-limits.ts";

const ENGINE = "tsbuild run is for trying an image; a container engine has the rest";
const LIMITS = "put the run below a cgroup that has the limits: --cgroup-parent";
const NETWORK = "the network is the machine's own: what the program listens on can be reached as it is";
const DEVICES = "--privileged gives the devices that a build step with --security=insecure has";
const NAMESPACES = "a run has process, IPC and host name namespaces of its own";
const HEALTH = "health checks are not run";

function later(name: string, kind: Flag["kind"], help: string, note: string, more: Partial<Flag> = {}): Flag {
  return { name, kind, help, note, state: "later", ...more };
}

// prettier-ignore
export const RUN_FLAGS: readonly Flag[] = [
  { name: "add-host", kind: "list", value: "HOST:IP", state: "works", help: "Add a line to /etc/hosts" },
  { name: "cap-add", kind: "list", value: "NAME", state: "works", help: "Add a capability to Docker's default ones (ALL: all)" },
  { name: "cap-drop", kind: "list", value: "NAME", state: "works", help: "Drop a capability of them (ALL: all)" },
  { name: "cgroup-parent", kind: "string", value: "PATH", state: "works", help: "Parent cgroup of the program" },
  { name: "dns", kind: "list", value: "IP", state: "works", help: "Name server, instead of the machine's" },
  { name: "dns-option", kind: "list", value: "OPTION", state: "works", help: "Option of the resolver, instead of the machine's" },
  { name: "dns-search", kind: "list", value: "DOMAIN", state: "works", help: "Search domain, instead of the machine's" },
  { name: "entrypoint", kind: "string", value: "COMMAND", state: "works", help: "Replace the image's entrypoint (and drop its command)" },
  { name: "env", short: "e", kind: "list", value: "K[=V]", state: "works", help: "Set a variable; without a value, from the environment" },
  { name: "env-file", kind: "list", value: "FILE", state: "works", help: "Set the variables of a file, one a line" },
  { name: "group-add", kind: "list", value: "GROUP", state: "works", help: "One more group, name or number" },
  { name: "hostname", short: "h", kind: "string", value: "NAME", state: "works", help: "Host name (default tsbuild)" },
  INSECURE_FLAG,
  { name: "interactive", short: "i", kind: "boolean", state: "works", help: "Hand over standard input" },
  { name: "mount", kind: "list", value: "SPEC", state: "works", help: "type=bind,source=HOST,target=PATH[,readonly] or type=tmpfs,target=PATH" },
  { name: "net", kind: "string", value: "MODE", state: "works", help: "Old spelling of --network" },
  { name: "network", kind: "string", value: "MODE", state: "works", help: "default, host or none" },
  { name: "platform", kind: "string", value: "OS/ARCH", state: "works", help: "Which image of a multi-platform one" },
  { name: "privileged", kind: "boolean", state: "works", help: "All capabilities, no seccomp filter, writable /proc and /sys" },
  { name: "pull", kind: "string", value: "WHEN", state: "works", help: "Ask the registry: always, missing (the default) or never" },
  { name: "quiet", short: "q", kind: "boolean", state: "works", help: "No progress of a pull" },
  { name: "read-only", kind: "boolean", state: "works", help: "The image's files cannot be changed; its volumes can" },
  { name: "require-sandbox", kind: "string", value: "WHAT", state: "works", help: "Fail unless the program has it: namespaces, or a driver (launcher, crun, runc, unshare, chroot)" },
  { name: "rm", kind: "boolean", state: "works", help: "Remove what was written (always so)" },
  { name: "shm-size", kind: "string", value: "SIZE", state: "works", help: "Size of /dev/shm (default 64m)" },
  { name: "snapshotter", kind: "string", value: "NAME", state: "works", help: "How the image's layers become one tree: auto, overlay or copy" },
  { name: "tmpfs", kind: "list", value: "PATH[:OPTIONS]", state: "works", help: "A folder in memory: size=, mode=, uid=, gid=, exec, ro" },
  { name: "tty", short: "t", kind: "boolean", state: "works", help: "Give it a terminal" },
  { name: "ulimit", kind: "list", value: "TYPE=SOFT[:HARD]", state: "works", help: "Resource limit of its processes" },
  { name: "user", short: "u", kind: "string", value: "USER[:GROUP]", state: "works", help: "User and group, names or numbers" },
  { name: "volume", short: "v", kind: "list", value: "HOST:PATH[:ro]", state: "works", help: "Mount a folder or file of this machine" },
  { name: "workdir", short: "w", kind: "string", value: "DIR", state: "works", help: "Working directory" },

  // What a container would be labelled with, or what happens in any case.
  { name: "disable-content-trust", kind: "boolean", state: "ignored", help: "Skip image verification" },
  { name: "expose", kind: "list", state: "ignored", help: "Note a port" },
  { name: "label", short: "l", kind: "list", state: "ignored", help: "Label of the container" },
  { name: "label-file", kind: "list", state: "ignored", help: "Labels of the container" },
  { name: "no-healthcheck", kind: "boolean", state: "ignored", help: "No health checks" },
  { name: "sig-proxy", kind: "boolean", state: "ignored", help: "Pass signals on" },

  later("annotation", "list", "Annotation of the container", ENGINE),
  later("attach", "list", "Attach to a stream", "-i hands over standard input; the outputs always come through", { short: "a" }),
  later("blkio-weight", "string", "IO limit", LIMITS),
  later("blkio-weight-device", "list", "IO limit", LIMITS),
  later("cgroupns", "string", "Cgroup namespace", NAMESPACES),
  later("cidfile", "string", "Write the container's id", "a run has no id"),
  later("cpu-period", "string", "CPU limit", LIMITS),
  later("cpu-quota", "string", "CPU limit", LIMITS),
  later("cpu-rt-period", "string", "CPU limit", LIMITS),
  later("cpu-rt-runtime", "string", "CPU limit", LIMITS),
  later("cpu-shares", "string", "CPU limit", LIMITS, { short: "c" }),
  later("cpus", "string", "CPU limit", LIMITS),
  later("cpuset-cpus", "string", "CPU limit", LIMITS),
  later("cpuset-mems", "string", "CPU limit", LIMITS),
  later("detach", "boolean", "Run in background", ENGINE, { short: "d" }),
  later("detach-keys", "string", "Keys that detach", ENGINE),
  later("device", "list", "Device of this machine", DEVICES),
  later("device-cgroup-rule", "list", "Device rule", DEVICES),
  later("device-read-bps", "list", "IO limit", LIMITS),
  later("device-read-iops", "list", "IO limit", LIMITS),
  later("device-write-bps", "list", "IO limit", LIMITS),
  later("device-write-iops", "list", "IO limit", LIMITS),
  later("domainname", "string", "NIS domain", ENGINE),
  later("gpus", "string", "GPUs", DEVICES),
  later("health-cmd", "string", "Health check", HEALTH),
  later("health-interval", "string", "Health check", HEALTH),
  later("health-retries", "string", "Health check", HEALTH),
  later("health-start-interval", "string", "Health check", HEALTH),
  later("health-start-period", "string", "Health check", HEALTH),
  later("health-timeout", "string", "Health check", HEALTH),
  later("init", "boolean", "An init process", "the program is process 1; signals reach it all the same"),
  later("ip", "string", "Address", NETWORK),
  later("ip6", "string", "Address", NETWORK),
  later("ipc", "string", "IPC namespace", NAMESPACES, { harmless: /^(private)?$/ }),
  later("isolation", "string", "Isolation technology", "--require-sandbox chooses the sandbox", { harmless: /^(default)?$/ }),
  later("kernel-memory", "string", "Memory limit", LIMITS),
  later("link", "list", "Link to a container", NETWORK),
  later("link-local-ip", "list", "Address", NETWORK),
  later("log-driver", "string", "Log driver", ENGINE),
  later("log-opt", "list", "Log option", ENGINE),
  later("mac-address", "string", "Address", NETWORK),
  later("memory", "string", "Memory limit", LIMITS, { short: "m" }),
  later("memory-reservation", "string", "Memory limit", LIMITS),
  later("memory-swap", "string", "Memory limit", LIMITS),
  later("memory-swappiness", "string", "Memory limit", LIMITS),
  later("name", "string", "Name of the container", "a run has no name: it ends with this command"),
  later("network-alias", "list", "Name in a network", NETWORK),
  later("net-alias", "list", "Name in a network", NETWORK),
  later("oom-kill-disable", "boolean", "Memory limit", LIMITS),
  later("oom-score-adj", "string", "Memory limit", LIMITS),
  later("pid", "string", "Process namespace", NAMESPACES),
  later("pids-limit", "string", "Process limit", LIMITS),
  later("publish", "list", "Publish a port", NETWORK, { short: "p" }),
  later("publish-all", "boolean", "Publish all ports", NETWORK, { short: "P" }),
  later("restart", "string", "Restart policy", ENGINE, { harmless: /^(no)?$/ }),
  later("runtime", "string", "OCI runtime", "--require-sandbox chooses the sandbox"),
  later("security-opt", "list", "Security option", "--cap-add, --cap-drop and --privileged are what there is"),
  later("stop-signal", "string", "Signal of a stop", "the signal that is sent to this command is passed on"),
  later("stop-timeout", "string", "Time for a stop", "the signal that is sent to this command is passed on"),
  later("storage-opt", "list", "Storage option", ENGINE),
  later("sysctl", "list", "Kernel setting", ENGINE),
  later("use-api-socket", "boolean", "The engine's socket", ENGINE),
  later("userns", "string", "User namespace", "an ordinary user's run is in one, root's is not", { harmless: /^(host)?$/ }),
  later("uts", "string", "Host name namespace", NAMESPACES),
  later("volume-driver", "string", "Volume driver", "there are no volumes here"),
  later("volumes-from", "list", "Volumes of a container", "there are no volumes here"),
  ...LIMIT_FLAGS,
  // -h is docker run's --hostname.
  ...GLOBAL_FLAGS.map((flag) => (flag.name === "help" ? { name: flag.name, kind: flag.kind, state: flag.state, help: flag.help } : flag)),
];
