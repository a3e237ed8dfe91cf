/**
 * Applies one committed command to the state: the same state and entry give the same state and answer on
 * every agent. Knows no clock, no chance and no I/O; a refused command leaves no trace.
 */
import { type Command, type CommandResult, type CommandType, type Envelope } from "./commands.ts";
import { Draft } from "./draft.ts";
import { type EventRecord } from "./records.ts";
import { type Handler, type Handlers } from "./outcome.ts";
import { type InventoryState } from "./state.ts";
import { configHandlers } from "./reduce-config.ts";
import { generationHandlers } from "./reduce-generations.ts";
import { forgetHandlers } from "./reduce-forget.ts";
import { jobHandlers } from "./reduce-jobs.ts";
import { jobNodeHandlers } from "./reduce-job-nodes.ts";
import { keyringHandlers } from "./keyring.ts";
import { journalHandlers } from "./reduce-journal.ts";
import { limits } from "./limits.ts";
import { mergeHandlers } from "./reduce-merge.ts";
import { memberHandlers } from "./reduce-members.ts";
import { nodeHandlers } from "./reduce-nodes.ts";
import { rememberByKey, rememberRequest, replayByKey, replayRequest } from "./exactly-once.ts";
import { runHandlers } from "./reduce-runs.ts";
import { tokenHandlers } from "./reduce-tokens.ts";
import { varHandlers } from "./reduce-vars.ts";

const handlers: Handlers<CommandType> = {
  ...configHandlers,
  ...forgetHandlers,
  ...generationHandlers,
  ...jobHandlers,
  ...jobNodeHandlers,
  ...keyringHandlers,
  ...journalHandlers,
  ...memberHandlers,
  ...mergeHandlers,
  ...nodeHandlers,
  ...runHandlers,
  ...tokenHandlers,
  ...varHandlers,
};

export interface Reduced {
  readonly result: CommandResult;
  readonly events: readonly EventRecord[];
}

/** Applies `envelope`, committed at `index`, to `state`. */
export function reduce(state: InventoryState, envelope: Envelope, index: number): Reduced {
  const { at, by, command } = envelope;
  const draft = new Draft(state, { index, at, by });
  const repeated = replayRequest(draft, envelope);
  if (repeated !== null) return { result: { index, ...repeated }, events: [] };
  const known = replayByKey(draft, envelope);
  const outcome = known ?? dispatch(draft, command);
  const result: CommandResult = { index, ...outcome };
  if (!outcome.ok) draft.rollback();
  const events = draft.commit();
  if (known === null) rememberByKey(draft, envelope, result);
  rememberRequest(draft, envelope, result);
  state.dropOldEvents(limits.events);
  return { result, events };
}

function dispatch(draft: Draft, command: Command): ReturnType<Handler<CommandType>> {
  // The table pairs every type with the handler of that type, which TypeScript cannot follow by index.
  const handler = handlers[command.type] as Handler<CommandType>;
  return handler(draft, command);
}
