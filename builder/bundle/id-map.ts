// Ids of an image in the user namespace of a bundle: which id of this machine each one is, and what it is
// called by the process that writes the files, which may be in a namespace itself.

/** `size` ids from `containerId` on are those from `hostId` on. Field names are the OCI runtime-spec's, but for their case. */
export interface IdRange {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

/** The id of this machine that an id in the namespace is; undefined for one that does not exist there. */
export function hostIdOf(map: readonly IdRange[], id: number): number | undefined {
  const range = map.find(({ containerId, size }) => id >= containerId && id < containerId + size);
  return range && range.hostId + (id - range.containerId);
}

/** What an id of this machine is called in a namespace; undefined where it has no name. */
export function containerIdOf(map: readonly IdRange[], hostId: number): number | undefined {
  const range = map.find((candidate) => hostId >= candidate.hostId && hostId < candidate.hostId + candidate.size);
  return range && range.containerId + (hostId - range.hostId);
}

/** The ranges of a /proc/<pid>/uid_map or gid_map. */
export function parseIdMap(text: string): IdRange[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((numbers) => numbers.length === 3)
    .map(([containerId = 0, hostId = 0, size = 0]) => ({ containerId, hostId, size }));
}
