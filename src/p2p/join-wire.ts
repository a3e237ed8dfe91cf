/**
 * The join dialogue, four msgpack frames:
 *   1 joiner  → hello   {cluster id, token id, nonce}
 *   2 member  → proof   {nonce, HMAC with label "server"}, or a refusal
 *   3 joiner  → request {HMAC with label "client", name, address}
 *   4 member  → answer  {cluster, members}, or a refusal
 * Both proofs cover both peer ids, which noise has proven, both nonces and the cluster id: a proof is useless on
 * any other connection, and neither side learns anything from the other's without the token.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Packr } from "msgpackr";
import { AgentError } from "../base/errors.ts";
import { asPeerId, type PeerId } from "../base/ids.ts";
import { isJsonObject } from "../base/json.ts";
import { P2pCode } from "./errors.ts";

export const nonceBytes = 32;
export const maxJoinFrame = 16 * 1024;
/** The answer names the members; it is read only after the member proved the token. */
export const maxAnswerFrame = 1024 * 1024;
export const maxMembersInAnswer = 4096;

export interface JoinMember {
  readonly id: PeerId;
  readonly address: string;
  readonly name: string;
}

export interface JoinAnswer {
  readonly clusterId: string;
  readonly clusterName: string;
  /** The name the joiner got: the one it asked for, or that with a suffix. */
  readonly nodeName: string;
  readonly members: readonly JoinMember[];
  /** False: the member that answers could not connect to the joiner's address. */
  readonly reached: boolean;
}

export interface JoinHello {
  readonly clusterId: string;
  readonly tokenId: string;
  readonly nonce: Uint8Array;
}
export interface JoinProof {
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
}
export interface JoinRequest {
  readonly proof: Uint8Array;
  readonly name: string;
  readonly address: string;
}

export interface ProofInput {
  readonly verifier: string;
  readonly label: "client" | "server";
  readonly client: PeerId;
  readonly server: PeerId;
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
  readonly clusterId: string;
}

export function proofOf(input: ProofInput): Uint8Array {
  const hmac = createHmac("sha256", Buffer.from(input.verifier, "hex"));
  const texts = [`muster-join-${input.label}-1`, input.client, input.server, input.clusterId];
  for (const text of texts) hmac.update(`${Buffer.byteLength(text)}:${text}`);
  return hmac.update(input.clientNonce).update(input.serverNonce).digest();
}

/** Constant in time for proofs of the right length. */
export function provesEqual(expected: Uint8Array, given: Uint8Array): boolean {
  return given.byteLength === expected.byteLength && timingSafeEqual(expected, given);
}

const packr = new Packr({
  useRecords: false,
  moreTypes: false,
  mapsAsObjects: true,
  copyBuffers: true,
});

export function encodeJoin(message: JoinHello | JoinProof | JoinRequest | JoinAnswer): Uint8Array {
  return packr.pack(message);
}

export function encodeRefusal(code: string, message: string): Uint8Array {
  return packr.pack({ refused: code, message });
}

/** @throws AgentError FRAME_MALFORMED */
export function decodeJoinHello(frame: Uint8Array): JoinHello {
  const fields = open(frame);
  const clusterId = textOf(fields["clusterId"], 32);
  return { clusterId, tokenId: textOf(fields["tokenId"], 64), nonce: bytesOf(fields["nonce"]) };
}

/** @throws AgentError FRAME_MALFORMED, or the refusal's own code */
export function decodeJoinProof(frame: Uint8Array): JoinProof {
  const fields = open(frame);
  return { nonce: bytesOf(fields["nonce"]), proof: bytesOf(fields["proof"]) };
}

/** @throws AgentError FRAME_MALFORMED */
export function decodeJoinRequest(frame: Uint8Array): JoinRequest {
  const fields = open(frame);
  const name = textOf(fields["name"], 253);
  return { proof: bytesOf(fields["proof"]), name, address: textOf(fields["address"], 300) };
}

/** @throws AgentError FRAME_MALFORMED, or the refusal's own code */
export function decodeJoinAnswer(frame: Uint8Array): JoinAnswer {
  const fields = open(frame);
  const members: unknown = fields["members"];
  if (!Array.isArray(members) || members.length > maxMembersInAnswer) throw malformed();
  return {
    clusterId: textOf(fields["clusterId"], 32),
    clusterName: textOf(fields["clusterName"], 253),
    nodeName: textOf(fields["nodeName"], 253),
    members: members.map(memberOf),
    // An agent of an earlier version does not look.
    reached: fields["reached"] !== false,
  };
}

function memberOf(value: unknown): JoinMember {
  if (!isJsonObject(value)) throw malformed();
  const id = asPeerId(textOf(value["id"], 128));
  return { id, address: textOf(value["address"], 300), name: textOf(value["name"], 253) };
}

function open(frame: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = packr.unpack(frame);
  } catch {
    throw malformed();
  }
  if (!isJsonObject(value)) throw malformed();
  const fields: Readonly<Record<string, unknown>> = value;
  const code = fields["refused"];
  if (code === undefined) return fields;
  if (typeof code !== "string" || !/^[A-Z][A-Z_]{0,63}$/.test(code)) throw malformed();
  throw new AgentError(code, textOf(fields["message"], 1024));
}

function textOf(value: unknown, maxLength: number): string {
  if (typeof value !== "string" || value === "" || value.length > maxLength) throw malformed();
  return value;
}

function bytesOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.byteLength !== nonceBytes) throw malformed();
  return value;
}

function malformed(): AgentError {
  return new AgentError(P2pCode.frameMalformed, "A message of the join dialogue is malformed.");
}
