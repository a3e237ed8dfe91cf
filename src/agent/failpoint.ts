/**
 * A fault on demand, for tests: `MUSTER_FAILPOINT=before:7` or `after:7` kills this agent, as with SIGKILL, right
 * before it appends, or right after it applied, the seventh entry about jobs that it proposes as the leader.
 */
import process from "node:process";
import { AgentError } from "../base/errors.ts";
import { type Applied } from "../consensus/driver/api.ts";
import { decodeEnvelope } from "../inventory/codec.ts";
import { type CommandResult } from "../inventory/commands.ts";
import { type AgentCode } from "./errors.ts";

type Propose = (data: Uint8Array, signal?: AbortSignal) => Promise<Applied<CommandResult>>;

/** `propose` as it is, or one that dies where `text` says. @throws AgentError CONFIG_INVALID. */
export function withFailpoint(text: string | null, propose: Propose): Propose {
  if (text === null) return propose;
  const match = /^(before|after):(\d+)$/.exec(text);
  if (match === null) {
    const message = `Cannot use MUSTER_FAILPOINT "${text}": expected before:N or after:N`;
    throw new AgentError<AgentCode>("CONFIG_INVALID", message);
  }
  const [, when] = match;
  let left = Number(match[2]);
  return async (data, signal) => {
    const counts = isAboutJobs(data);
    if (counts) left -= 1;
    const isDue = counts && left === 0;
    if (isDue && when === "before") die();
    const applied = await propose(data, signal);
    if (isDue) die();
    return applied;
  };
}

function isAboutJobs(data: Uint8Array): boolean {
  const decoded = decodeEnvelope(data);
  return decoded.ok && /^(job|run)\./.test(decoded.envelope.command.type);
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}
