/** Looks at processes from outside, for tests that must see what is running. */
import { readFileSync } from "node:fs";

export { listProcesses } from "../../src/config-engine/process-table.ts";

export function commandLine(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
}

export function hasEnvironmentText(pid: number, text: string): boolean {
  return read(`/proc/${pid}/environ`).includes(text);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
