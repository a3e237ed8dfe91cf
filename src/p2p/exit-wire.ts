/**
 * What is said on the peer port after the agent that listened there is gone: its supervisor answers one line of JSON
 * with one line of JSON. No stream, no noise: a statement is no secret, and both sides sign with the keys that are
 * their peer ids, so the few kilobytes of a supervisor need no libp2p. A libp2p dialer that comes along is reset.
 */
import { type ExitStatement, type GenerationRef } from "../consensus/lineage/types.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { verifySignature } from "./identity.ts";

/** "Is the agent gone?": anybody may ask, the answer says no more than a refused connection would. */
export interface GoneQuestion {
  readonly ask: "gone";
}

/** "Attest it": binds the answerer to hold a restart, so only members may ask. */
export interface StatementQuestion {
  readonly ask: "statement";
  readonly clusterId: string;
  /** Whose end is asked for. */
  readonly node: string;
  readonly from: string;
  /** 32 hex digits, chosen by the asker. */
  readonly nonce: string;
}

export type ExitQuestion = GoneQuestion | StatementQuestion;

export type ExitAnswer =
  | { readonly answer: "gone" }
  | { readonly answer: "statement"; readonly statement: ExitStatement }
  | { readonly answer: "refused"; readonly reason: string };

export const maxExitLineBytes = 8192;
const protocol = "muster-exit/1";
const noncePattern = /^[0-9a-f]{32}$/;

type Sign = (bytes: Uint8Array) => Uint8Array;

export function encodeQuestion(question: ExitQuestion, sign: Sign | null): string {
  if (question.ask === "gone") return line({ protocol, ask: "gone" });
  const { ask, clusterId, node, from, nonce } = question;
  const signature = sign === null ? "" : base64(sign(questionBytes(question)));
  return line({ protocol, ask, clusterId, node, from, nonce, signature });
}

/** Null when the line is no question, or its signature is not that of `from`. */
export function decodeQuestion(text: string): ExitQuestion | null {
  const fields = parse(text);
  if (fields === null) return null;
  if (fields["ask"] === "gone") return { ask: "gone" };
  const { ask, clusterId, node, from, nonce, signature } = fields;
  if (ask !== "statement" || !isShort(clusterId) || !isShort(node) || !isShort(from)) return null;
  if (typeof nonce !== "string" || !noncePattern.test(nonce)) return null;
  const question: StatementQuestion = { ask, clusterId, node, from, nonce };
  return isSigned(from, questionBytes(question), signature) ? question : null;
}

export function encodeAnswer(answer: ExitAnswer, sign: Sign): string {
  if (answer.answer !== "statement") return line({ protocol, ...answer });
  const { statement } = answer;
  const signature = base64(sign(statementBytes(statement)));
  return line({ protocol, answer: "statement", statement: statementRow(statement), signature });
}

/** Null when the line is no answer, or a statement is not signed by the node that it is about. */
export function decodeAnswer(text: string): ExitAnswer | null {
  const fields = parse(text);
  if (fields === null) return null;
  const { answer, reason, statement: row, signature } = fields;
  if (answer === "gone") return { answer };
  if (answer === "refused") return { answer, reason: isShort(reason) ? reason : "" };
  const statement = answer === "statement" ? statementOf(row) : null;
  if (statement === null) return null;
  return isSigned(statement.node, statementBytes(statement), signature)
    ? { answer: "statement", statement }
    : null;
}

function questionBytes({ clusterId, node, from, nonce }: StatementQuestion): Uint8Array {
  return Buffer.from(JSON.stringify([protocol, "question", clusterId, node, from, nonce]));
}

function statementBytes(statement: ExitStatement): Uint8Array {
  return Buffer.from(JSON.stringify([protocol, "statement", statementRow(statement)]));
}

function statementRow(s: ExitStatement): Json {
  const { node, nonce, generation, voters, term, lastTerm, lastIndex, chain } = s;
  return [node, nonce, generation.n, generation.id, [...voters], term, lastTerm, lastIndex, chain];
}

function statementOf(row: unknown): ExitStatement | null {
  if (!Array.isArray(row)) return null;
  const [node, nonce, n, id, voters, term, lastTerm, lastIndex, chain] = row as readonly unknown[];
  if (!isShort(node) || !isShort(nonce) || !isShort(id) || !isShort(chain)) return null;
  if (!isCount(n) || !isCount(term) || !isCount(lastTerm) || !isCount(lastIndex)) return null;
  if (!Array.isArray(voters) || voters.length > 64 || !voters.every(isShort)) return null;
  const generation: GenerationRef = { n, id };
  return { node, nonce, generation, voters, term, lastTerm, lastIndex, chain };
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  if (text.length > maxExitLineBytes) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) && value["protocol"] === protocol ? value : null;
  } catch {
    return null; // whoever talks here does not speak this protocol
  }
}

function isSigned(by: string, bytes: Uint8Array, signature: unknown): boolean {
  if (typeof signature !== "string") return false;
  return verifySignature(by, bytes, Buffer.from(signature, "base64"));
}

function isShort(value: unknown): value is string {
  return typeof value === "string" && value.length <= 256;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function line(value: Json): string {
  return `${JSON.stringify(value)}\n`;
}
