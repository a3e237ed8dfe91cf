/** What peers ask of our transcripts: `transcript.read` and `transcript.copy`, with their limits. */
import { type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { engineError } from "./errors.ts";
import { type TranscriptPart, type TranscriptStore } from "./ports.ts";
import { type TranscriptCopies } from "./transcript-copies.ts";

export interface TranscriptHandlers {
  readonly "transcript.read": (
    payload: unknown,
    from: PeerId,
    signal: AbortSignal,
  ) => Promise<TranscriptPart>;
  readonly "transcript.copy": (
    payload: unknown,
    from: PeerId,
    signal: AbortSignal,
  ) => Promise<null>;
}

const readBytesLimit = 1024 * 1024;
const waitLimitMs = 30_000;
const runIdLimit = 1024;

export function createTranscriptHandlers(
  store: TranscriptStore,
  copies: Pick<TranscriptCopies, "pull">,
): TranscriptHandlers {
  return {
    "transcript.read": async (payload, _from, signal) => {
      const maxBytes = Math.min(numberIn(payload, "maxBytes"), readBytesLimit);
      const waitMs = Math.min(numberIn(payload, "waitMs"), waitLimitMs);
      const offset = numberIn(payload, "offset");
      return await store.read(runIn(payload), { offset, maxBytes, waitMs, signal });
    },
    "transcript.copy": async (payload, from, signal) => {
      await copies.pull(runIn(payload), from, signal);
      return null;
    },
  };
}

/** Checks a peer's answer to `transcript.read`. Bytes may come as any kind of view. */
export function parseTranscriptPart(value: unknown): TranscriptPart {
  if (!isJsonObject(value) || !Array.isArray(value["chunks"])) throw badPart();
  const { nextOffset, complete } = value;
  if (typeof nextOffset !== "number" || typeof complete !== "boolean") throw badPart();
  const chunks = value["chunks"].map((chunk: unknown) => {
    if (typeof chunk !== "object" || chunk === null) throw badPart();
    const { offset, time, bytes } = chunk as Record<string, unknown>;
    if (typeof offset !== "number" || typeof time !== "number") throw badPart();
    if (!(bytes instanceof Uint8Array)) throw badPart();
    return { offset, time, bytes };
  });
  return { chunks, nextOffset, complete };
}

function runIn(payload: unknown): string {
  const run = isJsonObject(payload) ? payload["run"] : undefined;
  if (typeof run === "string" && run.length > 0 && run.length <= runIdLimit) return run;
  throw engineError("BAD_REQUEST", `run must be a text of 1 to ${runIdLimit} characters`);
}

function numberIn(payload: unknown, name: string): number {
  const value = isJsonObject(payload) ? payload[name] : undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw engineError("BAD_REQUEST", `${name} must be a whole number from 0`);
}

function badPart(): Error {
  return engineError("BAD_REQUEST", "A peer gave something that is not a part of a transcript");
}
