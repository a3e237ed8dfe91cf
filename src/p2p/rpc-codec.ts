/**
 * Messages of one RPC stream, as msgpack arrays. Requests and cancels go from the side that opened the stream to
 * the other; answers come back. Ids are the client's, unique per stream. Times are remaining milliseconds, so
 * that no clock need agree.
 */
import { Packr } from "msgpackr";

const Kind = { request: 0, result: 1, failure: 2, cancel: 3 } as const;

export interface RpcRequest {
  readonly kind: "request";
  readonly id: number;
  readonly method: string;
  readonly timeoutMs: number;
  readonly payload: unknown;
}
export interface RpcResult {
  readonly kind: "result";
  readonly id: number;
  readonly payload: unknown;
}
export interface RpcFailure {
  readonly kind: "failure";
  readonly id: number;
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}
export interface RpcCancel {
  readonly kind: "cancel";
  readonly id: number;
}
export type RpcMessage = RpcRequest | RpcResult | RpcFailure | RpcCancel;

export const maxMethodLength = 64;
const maxTimeoutMs = 24 * 3_600_000;

/** Settings for peers' input: no records (they compile code), no types beyond JSON's and bytes. */
const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  mapsAsObjects: true,
  copyBuffers: true,
});

export function encodeRpc(message: RpcMessage): Uint8Array {
  return packr.pack(rowOf(message));
}

/** The message of a frame, or null when it is none; the payload is for the method's handler to check. */
export function decodeRpc(frame: Uint8Array): RpcMessage | null {
  let row: unknown;
  try {
    row = packr.unpack(frame);
  } catch {
    return null; // The decoder throws on truncated, trailing and too deeply nested input.
  }
  return Array.isArray(row) && row.length >= 2 && isId(row[1]) ? messageOf(row[1], row) : null;
}

function messageOf(id: number, row: readonly unknown[]): RpcMessage | null {
  if (row[0] === Kind.request && row.length === 5) return requestOf(id, row);
  if (row[0] === Kind.result && row.length === 3) return { kind: "result", id, payload: row[2] };
  if (row[0] === Kind.failure && row.length === 5) return failureOf(id, row);
  if (row[0] === Kind.cancel && row.length === 2) return { kind: "cancel", id };
  return null;
}

function rowOf(message: RpcMessage): readonly unknown[] {
  const { id } = message;
  switch (message.kind) {
    case "request":
      return [Kind.request, id, message.method, message.timeoutMs, message.payload];
    case "result":
      return [Kind.result, id, message.payload];
    case "failure":
      return [Kind.failure, id, message.code, message.message, message.details];
    case "cancel":
      return [Kind.cancel, id];
  }
}

function requestOf(id: number, row: readonly unknown[]): RpcRequest | null {
  const [, , method, timeoutMs, payload] = row;
  if (typeof method !== "string" || method === "" || method.length > maxMethodLength) return null;
  if (typeof timeoutMs !== "number" || !(timeoutMs > 0 && timeoutMs <= maxTimeoutMs)) return null;
  return { kind: "request", id, method, timeoutMs, payload };
}

function failureOf(id: number, row: readonly unknown[]): RpcFailure | null {
  const [, , code, message, details] = row;
  if (typeof code !== "string" || typeof message !== "string") return null;
  if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(code) || !isRecord(details)) return null;
  return { kind: "failure", id, code, message: message.slice(0, 4096), details };
}

function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
