/** What a handler answers; the reducer turns it into a `CommandResult`. A refusal changes nothing. */
import { type Json, type JsonObject } from "../base/json.ts";
import { type CommandCode, type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";

export type Outcome =
  | { readonly ok: true; readonly value: Json }
  | {
      readonly ok: false;
      readonly code: CommandCode;
      readonly message: string;
      readonly details: JsonObject;
    };
export type Refusal = Extract<Outcome, { readonly ok: false }>;

export type Handler<T extends CommandType> = (draft: Draft, command: CommandOf<T>) => Outcome;
export type Handlers<T extends CommandType> = { readonly [K in T]: Handler<K> };

export function done(value: Json = null): Outcome {
  return { ok: true, value };
}

export function refuse(code: CommandCode, message: string, details: JsonObject = {}): Refusal {
  return { ok: false, code, message, details };
}

export function invalid(action: string, problem: string): Refusal {
  return refuse("INVALID", `Cannot ${action}: ${problem}`);
}

export function notFound(kind: string, name: string): Refusal {
  return refuse("NOT_FOUND", `There is no ${kind} "${name}"`, { [kind]: name });
}

/**
 * Conditional write: null when `expected` fits `current` (version of the record, 0 when there is none).
 * @param what names the record for the message.
 */
export function versionRefusal(
  what: string,
  expected: number | undefined,
  current: number,
): Refusal | null {
  if (expected === undefined || expected === current) return null;
  const details = { current, expected };
  if (expected === 0) {
    return refuse("ALREADY_EXISTS", `There is already ${what}, at version ${current}`, details);
  }
  const now = current === 0 ? "does not exist" : `is at version ${current}`;
  return refuse(
    "VERSION_MISMATCH",
    `Cannot write ${what}: it ${now}, not at the expected version ${expected}; read it again`,
    details,
  );
}
