#!/usr/bin/env node
/**
 * Forms a cluster on this machine, its first node, and runs its agent: the same as `muster bootstrap`.
 * `npm run bootstrap -- --config-repo URL` runs it with the pinned runtime.
 */
import process from "node:process";
import { main } from "./src/cli/main.ts";

process.exitCode = await main(["bootstrap", ...process.argv.slice(2)], process);
