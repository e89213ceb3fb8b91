// Checks the store that is named, and prints what it found as JSON: a program, so that it can run as the owner of all files.

import process from "node:process";
import { checkStore } from "./check-store.ts";

console.log(JSON.stringify(await checkStore(process.argv[2] ?? "")));
