// What a job's flags say of registries, as settings beside those of configuration files. One host is spoken to in one
// way, whether it is pulled from or pushed to.

import { BuildError } from "../../../builder/core/errors.ts";
import { parseReference } from "../../../builder/core/image/reference.ts";
import type { Arguments } from "../../cli/flags.ts";
import { isOn, listOf } from "../../cli/flags.ts";
import type { Environment } from "../../config/environment.ts";
import type { Place, Reach, RegistrySetting, Scope } from "../../config/registries/registry-settings.ts";
import { splitName } from "../../config/registries/registry-settings.ts";

/** The settings, the one that counts most first. `destinations` are what is pushed. Throws `USAGE`. */
export function registrySettings(
  args: Arguments,
  environment: Environment,
  destinations: readonly string[],
): readonly RegistrySetting[] {
  const pushed = [...new Set(destinations.map((name) => parseReference(name).registry))];
  return [
    ...listOf(args, "registry-certificate").map((text) => {
      const { name, value } = pair(text, "registry-certificate", "HOST=FILE");
      return reach("registry-certificate", host(name), { ca: [value] });
    }),
    ...listOf(args, "registry-client-cert").map((text) => {
      const { name, value } = pair(text, "registry-client-cert", "HOST=CERT,KEY");
      const [certificate = "", key = "", ...more] = value.split(",");
      if (certificate === "" || key === "" || more.length > 0)
        throw new BuildError("USAGE", `--registry-client-cert: "${text}" is not HOST=CERT,KEY`);
      return reach("registry-client-cert", host(name), { client: { certificate, key } });
    }),
    ...protocols(args, pushed),
    ...routes(args, environment),
  ];
}

function protocols(args: Arguments, pushed: readonly string[]): readonly RegistrySetting[] {
  const plain = { protocol: "either" } as const;
  const unchecked = { protocol: "unchecked" } as const;
  const everywhere: Scope = { kind: "any" };
  return [
    ...listOf(args, "insecure-registry").map((name) => reach("insecure-registry", host(name), plain)),
    ...listOf(args, "skip-tls-verify-registry").map((name) => reach("skip-tls-verify-registry", host(name), unchecked)),
    ...(isOn(args, "insecure") ? pushed.map((name) => reach("insecure", host(name), plain)) : []),
    ...(isOn(args, "skip-tls-verify") ? pushed.map((name) => reach("skip-tls-verify", host(name), unchecked)) : []),
    ...(isOn(args, "insecure-pull") ? [reach("insecure-pull", everywhere, plain)] : []),
    ...(isOn(args, "skip-tls-verify-pull") ? [reach("skip-tls-verify-pull", everywhere, unchecked)] : []),
  ];
}

/** Mirrors of Docker Hub, and registries that stand in for others. */
function routes(args: Arguments, environment: Environment): readonly RegistrySetting[] {
  const only = isOn(args, "skip-default-registry-fallback");
  const mirrors = [...listOf(args, "registry-mirror"), ...split(environment["KANIKO_REGISTRY_MIRROR"], ",")];
  const mapped = [...listOf(args, "registry-map"), ...split(environment["KANIKO_REGISTRY_MAP"], ";")];
  const places = new Map<string, Place[]>();
  for (const text of mapped.flatMap((one) => split(one, ";"))) {
    const { name, value } = pair(text, "registry-map", "A=B");
    places.set(name, [...(places.get(name) ?? []), place(value, "registry-map")]);
  }
  if (mirrors.length > 0)
    places.set("docker.io", [
      ...mirrors.map((text) => place(text, "registry-mirror")),
      ...(places.get("docker.io") ?? []),
    ]);
  return [...places].map(([name, targets]) => ({
    source: source(name === "docker.io" && mirrors.length > 0 ? "registry-mirror" : "registry-map"),
    scope: host(name),
    mirrors: targets,
    ...(only ? { serves: "nothing" as const } : {}),
    reach: {},
  }));
}

function place(text: string, flag: string): Place {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*?)\/*$/s.exec(text) ?? [];
  if (rest === "") throw new BuildError("USAGE", `--${flag}: "${text}" names no registry`);
  return {
    ...splitName(rest),
    base: "",
    ...(scheme === "http" || scheme === "https" ? { scheme } : {}),
    reach: {},
    serves: "all",
    sendsNamespace: false,
  };
}

function host(name: string): Scope {
  const text = name.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  if (text === "") throw new BuildError("USAGE", "a flag about registries names none");
  return { kind: "name", ...splitName(text) };
}

function reach(flag: string, scope: Scope, how: Reach): RegistrySetting {
  return { source: source(flag), scope, reach: how };
}

function source(flag: string): RegistrySetting["source"] {
  return { family: "flag", owner: "flag", file: `--${flag}`, key: "" };
}

function pair(text: string, flag: string, form: string): { readonly name: string; readonly value: string } {
  const equals = text.indexOf("=");
  const [name, value] = [text.slice(0, Math.max(equals, 0)), text.slice(equals + 1)];
  if (name === "" || value === "") throw new BuildError("USAGE", `--${flag}: "${text}" is not ${form}`);
  return { name, value };
}

function split(text: string | undefined, separator: string): readonly string[] {
  return (text ?? "")
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
