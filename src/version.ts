/** The version of this program, as package.json has it (a test compares them). */
export { VERSION } from "../builder/core/version.ts";
