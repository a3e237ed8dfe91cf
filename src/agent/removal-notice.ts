/**
 * `removed.json`: members told this agent that its cluster evicted it. Kept beside the rest of its state, lest it start
 * again into a cut network and take that for the death of all others. An operator who knows better removes it.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AgentError, errorCode } from "../base/errors.ts";
import { isJsonObject } from "../base/json.ts";
import { type Claim } from "./eviction-claims.ts";

export interface RemovalNotice {
  readonly clusterId: string;
  readonly generation: number;
  /** Raft index of the entry that evicted this agent. */
  readonly index: number;
  /** Names of the members that said so. */
  readonly by: readonly string[];
}

const fileName = "removed.json";

/** The latest entry that a claim names. */
export function noticeOf(
  clusterId: string,
  claims: readonly Claim[],
  nameOf: (claim: Claim) => string,
): RemovalNotice {
  const [latest] = [...claims].sort((a, b) => b.generation.n - a.generation.n || b.index - a.index);
  const { generation = { n: 0 }, index = 0 } = latest ?? {};
  return { clusterId, generation: generation.n, index, by: claims.map(nameOf).sort() };
}

export async function keepNotice(dataDir: string, notice: RemovalNotice): Promise<void> {
  await writeFileAtomic(path.join(dataDir, fileName), `${JSON.stringify(notice, null, 2)}\n`);
}

/** @throws AgentError MEMBER_EVICTED when there is a notice, also one that cannot be read. */
export async function refuseWhereRemoved(dataDir: string): Promise<void> {
  const file = path.join(dataDir, fileName);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  });
  if (text === null) return;
  throw evictedError(dataDir, parsed(text));
}

export function evictedError(dataDir: string, notice: RemovalNotice | null): AgentError {
  const what =
    notice === null
      ? "This agent was removed from its cluster"
      : `This agent was removed from cluster ${notice.clusterId} by entry ${notice.index} of generation ${notice.generation}, as ${notice.by.join(" and ")} told it`;
  const file = path.join(dataDir, fileName);
  return new AgentError(
    "MEMBER_EVICTED",
    `${what}. To come back as a new node: empty "${dataDir}" and start with --join HOST:PORT --join-token-file FILE (muster token create, on a member). Should they be wrong: remove "${file}" and start again`,
    notice === null ? {} : { ...notice },
  );
}

function parsed(text: string): RemovalNotice | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isJsonObject(value)) return null;
  const { clusterId, generation, index, by } = value;
  if (typeof clusterId !== "string" || typeof generation !== "number") return null;
  if (typeof index !== "number" || !Array.isArray(by)) return null;
  return { clusterId, generation, index, by: (by as readonly unknown[]).map(String) };
}
