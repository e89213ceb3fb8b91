// Modules of Node that run when something of them is first used, not when a module of ours that imports them is: what
// they load in turn is a good part of a short command's time.

/** Those that a command may do without. An `import * as` asks for all that a module has, and so at once. */
const LATE = [
  "node:child_process",
  "node:dns/promises",
  "node:fs/promises",
  "node:net",
  "node:os",
  "node:sqlite",
  "node:stream",
  "node:stream/consumers",
  "node:stream/promises",
  "node:string_decoder",
  "node:timers/promises",
  "node:tty",
  "node:v8",
  "node:vm",
  "node:worker_threads",
  "node:zlib",
];

/** What stands before a bundle's code, to make its `require` late. */
export const lateModules = `require=(${withLate.toString()})(require,${JSON.stringify(LATE)});`;

function withLate(load: (name: string) => object, names: readonly string[]): (name: string) => object {
  const late = new Map(
    names.map((name) => {
      let loaded: object | undefined;
      const real = (): object => (loaded ??= load(name));
      const get = (_: object, key: string | symbol): unknown => Reflect.get(real(), key);
      const handler: ProxyHandler<object> = {
        get,
        ownKeys: () => Reflect.ownKeys(real()),
        getOwnPropertyDescriptor: (of, key) => ({ value: get(of, key), enumerable: true, configurable: true }),
      };
      return [name, new Proxy({}, handler)];
    }),
  );
  return (name) => late.get(name) ?? load(name);
}
