/**
 * Processes as /proc shows them. A pid alone proves nothing, as the kernel uses it again: a process is
 * identified by pid, start time (clock ticks after boot) and boot id together. Read synchronously: these files
 * are made by the kernel in memory. A zombie has ended, so it counts as gone.
 */
import { readFileSync, readdirSync } from "node:fs";
import { errorCode } from "../base/errors.ts";
import { isJsonObject } from "../base/json.ts";

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: number;
  readonly bootId: string;
}

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly startTime: number;
  readonly command: string;
}

export function currentBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** The living process with this pid, or null. */
export function readProcess(pid: number): ProcessEntry | null {
  const stat = readProcFile(pid, "stat");
  if (stat === null) return null;
  // The command stands in parentheses and may hold spaces and parentheses itself.
  const open = stat.indexOf("(");
  const close = stat.lastIndexOf(")");
  const [state, parent, , session, ...rest] = stat.slice(close + 2).split(" ");
  if (state === undefined || state === "Z" || state === "X") return null;
  return {
    pid,
    parent: Number(parent),
    session: Number(session),
    startTime: Number(rest[15]),
    command: stat.slice(open + 1, close),
  };
}

export function identify(pid: number): ProcessIdentity | null {
  const entry = readProcess(pid);
  return entry === null ? null : { pid, startTime: entry.startTime, bootId: currentBootId() };
}

/** True when exactly this process still lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== currentBootId()) return false;
  return readProcess(identity.pid)?.startTime === identity.startTime;
}

export function listProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    const entry = /^\d+$/.test(name) ? readProcess(Number(name)) : null;
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** Processes of a session: what a command started and did not put into a session of its own. */
export function sessionMembers(session: number): ProcessEntry[] {
  return listProcesses().filter((entry) => entry.session === session);
}

/** Members of a session, and everything that descends from `root`, in whatever session it is. */
export function sessionAndDescendants(session: number, root: number): ProcessEntry[] {
  const all = listProcesses();
  const found = new Set<number>([root]);
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const entry of all) {
      if (entry.session === session || found.has(entry.parent)) found.add(entry.pid);
    }
  }
  found.delete(root);
  return all.filter((entry) => found.has(entry.pid));
}

/** True when the process was started with this `NAME=value` in its environment. */
export function hasEnvironment(pid: number, pair: string): boolean {
  return readProcFile(pid, "environ")?.split("\0").includes(pair) ?? false;
}

export function parseIdentity(value: unknown): ProcessIdentity | null {
  if (!isJsonObject(value)) return null;
  const { pid, startTime, bootId } = value;
  if (typeof pid !== "number" || typeof startTime !== "number") return null;
  return typeof bootId === "string" ? { pid, startTime, bootId } : null;
}

const endedCodes: ReadonlySet<string> = new Set(["ENOENT", "ESRCH"]);
/** Only the environment is kept from other users. */
const foreignCodes: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);

function readProcFile(pid: number, name: "stat" | "environ"): string | null {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch (error) {
    // It ended between two looks, or is not ours to look into. Anything else (no descriptor left, no memory) says
    // nothing of the process: who takes it for gone starts an action twice.
    const code = errorCode(error) ?? "";
    if (endedCodes.has(code) || (name === "environ" && foreignCodes.has(code))) return null;
    throw error;
  }
}
