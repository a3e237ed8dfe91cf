/**
 * Entry of the process that carries one action: `node main.ts RUN_DIRECTORY`. It is started in a session of
 * its own by an agent, and outlives it.
 */
import process from "node:process";
import { systemClock } from "../../base/clock.ts";
import { errorMessage } from "../../base/errors.ts";
import { runPaths } from "../run-paths.ts";
import { ShimRun } from "./run.ts";

const directory = process.argv[2];
if (directory === undefined) {
  process.stderr.write("usage: main.ts RUN_DIRECTORY\n");
  process.exit(2);
}
const run = new ShimRun(runPaths(directory), systemClock);
process.on("SIGTERM", () => run.terminate());
process.on("SIGINT", () => run.terminate());
process.on("SIGHUP", () => {});
try {
  process.exitCode = (await run.run()) ? 0 : 3;
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
