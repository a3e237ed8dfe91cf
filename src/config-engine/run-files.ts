/**
 * The JSON files of a run directory. Both engine and shim read them after crashes, so a file that is torn or
 * of another shape reads as null, never as an exception.
 */
import { readFileSync } from "node:fs";
import { type Json, isJsonObject } from "../base/json.ts";
import { type ActionName } from "../inventory/records.ts";

/** spec.json. Holds everything the shim needs, and no value of any variable. */
export interface StoredSpec {
  readonly id: string;
  readonly job: string;
  readonly node: string;
  readonly role: string;
  readonly action: ActionName;
  readonly attempt: number;
  readonly revision: string;
  /** Absolute path of the executable, and the directory it runs in. */
  readonly executable: string;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly transcriptBytes: number;
  readonly createdAt: number;
}

export type EndCause =
  | "exited"
  | "timed-out"
  | "cancelled"
  /** Somebody else told the shim to end: usually the machine going down. */
  | "stopped"
  /** The command could not be started. */
  | "not-started"
  /** Written by the engine for a shim that is gone. */
  | "lost";

/** exit.json. */
export interface ExitRecord {
  readonly cause: EndCause;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What explains the cause: the reason of a cancel, the error of a start. */
  readonly reason: string;
  /** Last lines of output, masked, without terminal codes. */
  readonly tail: string;
  /** Why output could not be stored (`ENOSPC: …`); null when all of it was. */
  readonly outputError: string | null;
}

export function readJsonFile(file: string): Json | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Json;
  } catch {
    return null;
  }
}

/** A spec.json as `prepareRun` wrote it. It was renamed into place whole, so its shape is that of its writer. */
export function readSpec(file: string): StoredSpec | null {
  const value: unknown = readJsonFile(file);
  if (!isJsonObject(value)) return null;
  const complete = typeof value["id"] === "string" && typeof value["createdAt"] === "number";
  return complete ? (value as unknown as StoredSpec) : null;
}

export function readExit(file: string): ExitRecord | null {
  const value: unknown = readJsonFile(file);
  if (!isJsonObject(value)) return null;
  const complete = typeof value["cause"] === "string" && typeof value["endedAt"] === "number";
  return complete ? (value as unknown as ExitRecord) : null;
}

/** The reason in cancel.json; null when nobody cancelled. */
export function readCancelReason(file: string): string | null {
  const value: unknown = readJsonFile(file);
  if (!isJsonObject(value)) return null;
  return typeof value["reason"] === "string" ? value["reason"] : null;
}
