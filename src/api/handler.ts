/** What a handler gets and gives: parsed and checked input in, a value with its version out. No HTTP in between. */
import { assert } from "../base/assert.ts";
import { type AgentError } from "../base/errors.ts";
import { isJsonObject } from "../base/json.ts";
import { type Envelope, type CommandResult, type Command } from "../inventory/commands.ts";
import { type ApiContext } from "./context.ts";
import {
  type AnswerOf,
  type BodyOf,
  type ParamsOf,
  type QueryOf,
  type RouteName,
  type StreamName,
} from "./contract/routes.ts";
import { asApiCode } from "./contract/codes.ts";
import { isOfThisHistory, otherHistory, type Place, placeText } from "./places.ts";
import { ApiError } from "./problems.ts";

export interface ApiRequest<Name extends RouteName> {
  readonly params: ParamsOf<Name>;
  readonly query: QueryOf<Name>;
  readonly body: BodyOf<Name>;
  readonly by: string;
  /** Where the record must have been written last. */
  readonly condition: Place | undefined;
  readonly idempotency: Envelope["idempotency"];
  /** `Last-Event-ID` of a stream that is resumed. */
  readonly lastEventId: string | null;
  /** Aborts when the caller hung up or the server stops. */
  readonly signal: AbortSignal;
}

export interface Reply<Value> {
  readonly value: Value;
  /** Becomes the ETag. */
  readonly version?: number;
  /** When it is not the route's own. */
  readonly status?: number;
}

/** One line of a stream; `id` is where a later request goes on after it. */
export interface StreamLine<Value> {
  readonly id: string;
  readonly value: Value;
}
/** Lines in batches, as they come: a batch goes out as one piece. */
export type Lines<Value> = AsyncGenerator<readonly StreamLine<Value>[], void, undefined>;

/** A stream handler checks and refuses first, and then gives the lines. */
export type Handler<Name extends RouteName> = (
  request: ApiRequest<Name>,
  context: ApiContext,
) => Name extends StreamName
  ? Lines<AnswerOf<Name>>
  : Reply<AnswerOf<Name>> | Promise<Reply<AnswerOf<Name>>>;

/** Handlers of some routes; all groups together must be complete (handlers/table.ts). */
export type Handlers<Name extends RouteName> = { readonly [N in Name]: Handler<N> };

type Applied = Extract<CommandResult, { readonly ok: true }>;

type WriteRequest = Pick<ApiRequest<RouteName>, "by" | "idempotency" | "condition">;

/** Submits a command for a request; a refusal becomes the error that the caller sees. */
export async function write(
  context: ApiContext,
  request: WriteRequest,
  command: Command,
): Promise<Applied> {
  const result = await submitFor(context, request, command);
  if (result.ok) return result;
  throw refusalError(result, request.condition?.index);
}

/** @throws ApiError GENERATION_SUPERSEDED when the condition is about another history. */
export function submitFor(
  context: ApiContext,
  { by, idempotency, condition }: WriteRequest,
  command: Command,
): Promise<CommandResult> {
  if (condition !== undefined && !isOfThisHistory(context, condition)) {
    throw otherHistory(context, condition, {
      what: `ETag "${placeText(condition)}"`,
      advice: () => "nothing was written: read the record again, and decide anew",
    });
  }
  return context.submit(command, { by, idempotency });
}

function refusalError(
  { code, message, details }: Extract<CommandResult, { readonly ok: false }>,
  ifVersion: number | undefined,
): AgentError {
  // `If-None-Match: *` that meets a record is a failed condition, whatever the command calls it.
  const failed = code === "ALREADY_EXISTS" && ifVersion === 0 ? "VERSION_MISMATCH" : code;
  return new ApiError(asApiCode(failed) ?? "INTERNAL", message, details);
}

/**
 * The version that a write made. The replica may hold a later one by the time the answer is built: an ETag taken
 * from there would let its reader overwrite a change that was never shown to it. 0 when it was made in another history
 * and its answer came here with a merge: what has become of the record must be read.
 */
export function writtenVersion({ view }: ApiContext, { value, index }: Applied): number {
  if (view.merges().some(({ mergedAt }) => mergedAt.includes(index))) return 0;
  const version = isJsonObject(value) ? value["version"] : undefined;
  assert(typeof version === "number", "a conditional write answers with its version");
  return version;
}

/** What a write answers: with an ETag, unless its version says nothing here. */
export function written<Value>(value: Value, version: number): Reply<Value> {
  return version === 0 ? { value } : { value, version };
}

/** The condition as commands take it. */
export function expectation({ condition }: Pick<WriteRequest, "condition">): {
  readonly ifVersion?: number;
} {
  return condition === undefined ? {} : { ifVersion: condition.index };
}
