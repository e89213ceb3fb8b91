// The environment of this process, as it is handed to everything that looks into it.

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;
