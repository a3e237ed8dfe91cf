/**
 * `agent.json`: which cluster this data directory belongs to, and what the agent must know before its replica
 * can tell it. Written once when the agent joins, at every start for the start counter,
 * and when it first has a log.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { type AgentCode } from "./errors.ts";

export interface KnownPeer {
  readonly id: PeerId;
  readonly address: string;
}

export interface AgentState {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly nodeName: string;
  /** True on the agent that formed the cluster: its first configuration is itself alone. */
  readonly founder: boolean;
  /** Members the join answer named: trusted until the replica knows better. */
  readonly peers: readonly KnownPeer[];
  /** How often this agent was started; newer starts outrank older ones in the exactly-once window. */
  readonly starts: number;
  /** True once this agent ran with a log, kept outside of it: to find none then is a loss and no beginning. */
  readonly hadLog: boolean;
}

const fileName = "agent.json";

/** Null when the directory belongs to no cluster yet. */
export async function readAgentState(dataDir: string): Promise<AgentState | null> {
  const file = path.join(dataDir, fileName);
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return null;
    throw torn(file, errorMessage(error));
  });
  if (content === null) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch (error) {
    throw torn(file, errorMessage(error));
  }
  return parseState(file, parsed);
}

export async function writeAgentState(dataDir: string, state: AgentState): Promise<void> {
  await writeFileAtomic(path.join(dataDir, fileName), `${JSON.stringify(state, null, 2)}\n`);
}

function parseState(file: string, parsed: unknown): AgentState {
  if (!isJsonObject(parsed)) throw torn(file, "not an object");
  const { clusterId, clusterName, nodeName, founder, peers, starts, hadLog } = parsed;
  if (
    typeof clusterId !== "string" ||
    typeof clusterName !== "string" ||
    typeof nodeName !== "string" ||
    typeof founder !== "boolean" ||
    typeof starts !== "number" ||
    !Array.isArray(peers)
  ) {
    throw torn(file, "a field is missing");
  }
  const known: KnownPeer[] = [];
  for (const peer of peers as readonly unknown[]) {
    if (!isJsonObject(peer)) continue;
    const { id, address } = peer;
    if (typeof id === "string" && typeof address === "string") {
      known.push({ id: asPeerId(id), address });
    }
  }
  return {
    clusterId,
    clusterName,
    nodeName,
    founder,
    peers: known,
    starts,
    hadLog: hadLog === true,
  };
}

function torn(file: string, reason: string): AgentError<AgentCode> {
  return new AgentError(
    "DATA_DIR_INVALID",
    `Cannot read "${file}": ${reason}; restore it, or start this agent with an empty data directory`,
  );
}
