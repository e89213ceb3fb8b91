// The copy snapshotter by the common cases.

import { snapshotterCases } from "./cases.ts";

await snapshotterCases("copy", import.meta.url);
