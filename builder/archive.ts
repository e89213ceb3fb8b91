// The door to what tells archives from other files.

export { isArchive } from "./source/archive.ts";
