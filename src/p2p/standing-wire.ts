/**
 * A question that a former member may ask, over the join protocol, which is the only one left to it: "am I a member of
 * this cluster?" Two frames: the question {cluster id}, and the answer by the asked agent's replica. Noise has proven
 * who asks and who answers, and nobody can ask about another agent.
 */
import { Packr } from "msgpackr";
import { AgentError } from "../base/errors.ts";
import { isJsonObject } from "../base/json.ts";
import { P2pCode } from "./errors.ts";

export const maxStandingFrame = 1024;

/** Where in the history of the cluster something is true. */
export interface HistoryPoint {
  readonly generation: { readonly n: number; readonly id: string };
  /** Raft index. */
  readonly index: number;
}

/** `admitted`: at the index that the replica has reached. `evicted`: by the entry with this index. */
export type Standing =
  | { readonly standing: "unknown" }
  | ({ readonly standing: "admitted" | "evicted" } & HistoryPoint);

const packr = new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true });
const question = "standing";

export function encodeStandingQuestion(clusterId: string): Uint8Array {
  return packr.pack({ question, clusterId });
}

/** The cluster that is asked about; null when the frame is not this question (an agent that wants to join). */
export function decodeStandingQuestion(frame: Uint8Array): string | null {
  const fields = open(frame);
  if (fields["question"] !== question) return null;
  return hexOf(fields["clusterId"]);
}

export function encodeStanding(answer: Standing): Uint8Array {
  return packr.pack(answer);
}

/** @throws AgentError FRAME_MALFORMED, or the refusal's own code */
export function decodeStanding(frame: Uint8Array): Standing {
  const fields = open(frame);
  const { standing, generation, index, refused } = fields;
  if (typeof refused === "string" && /^[A-Z][A-Z_]{0,63}$/.test(refused)) {
    throw new AgentError(refused, "The peer refused to say.");
  }
  if (standing === "unknown") return { standing };
  if (standing !== "admitted" && standing !== "evicted") throw malformed();
  if (!isJsonObject(generation)) throw malformed();
  const { n, id } = generation;
  const at = { generation: { n: countOf(n), id: hexOf(id) }, index: countOf(index) };
  return { standing, ...at };
}

function open(frame: Uint8Array): Readonly<Record<string, unknown>> {
  if (frame.byteLength > maxStandingFrame) return {};
  try {
    const value: unknown = packr.unpack(frame);
    if (isJsonObject(value)) return value;
  } catch {
    // Said below.
  }
  throw malformed();
}

function hexOf(value: unknown): string {
  if (typeof value === "string" && /^[0-9a-f]{32}$/.test(value)) return value;
  throw malformed();
}

function countOf(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed();
}

function malformed(): AgentError {
  return new AgentError(P2pCode.frameMalformed, "A word about membership is malformed.");
}
