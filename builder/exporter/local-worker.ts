// The thread of type=local.

import { parentPort, workerData } from "node:worker_threads";
import type { LocalRequest } from "./local-folder.ts";
import { writeLocal } from "./local-folder.ts";

parentPort?.postMessage(writeLocal(workerData as LocalRequest)); // local.ts starts this file with one
