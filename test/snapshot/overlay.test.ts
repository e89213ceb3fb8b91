// The overlay snapshotter by the common cases.

import { snapshotterCases } from "./cases.ts";

await snapshotterCases("overlay", import.meta.url);
