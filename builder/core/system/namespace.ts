// Thrown where work turns out to need what only root (also of a user namespace) may do.
// The door answers by running the program once more inside a user namespace.

/** "Do this again inside a user namespace." */
export class NamespaceNeeded extends Error {
  /** What was found out on the way here and will not be found again: to be said where the work goes on. */
  readonly notes: string[] = [];

  constructor(why: string) {
    super(`${why} needs a user namespace`);
    this.name = "NamespaceNeeded";
  }
}
