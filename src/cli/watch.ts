/** `-w`: prints again whenever something changed, until Ctrl-C. An agent that restarts meanwhile is waited for. */
import { type Command } from "commander";
import { delay, systemClock } from "../base/clock.ts";
import { errorMessage, isAgentError } from "../base/errors.ts";
import { type OutputFlags } from "./arguments.ts";
import { type CliContext } from "./context.ts";
import { type Listing, printListing, printSingle, type Single } from "./render/output.ts";
import { transient } from "./transient.ts";

const watchMs = 1000;

export function withWatch(command: Command): Command {
  return command.option("-w, --watch", "print again whenever something changed, until Ctrl-C");
}

export interface WatchFlags extends OutputFlags {
  readonly watch?: boolean;
}

export async function watchListing<Item>(
  context: CliContext,
  flags: WatchFlags,
  load: () => Promise<Listing<Item>>,
): Promise<void> {
  await watch(context, flags, {
    load,
    keyOf: (listing) => listing.items,
    print: (listing) => printListing(context, listing, flags.output),
  });
}

export async function watchSingle(
  context: CliContext,
  flags: WatchFlags,
  load: () => Promise<Single>,
): Promise<void> {
  await watch(context, flags, {
    load,
    keyOf: (single) => single.value,
    print: (single) => printSingle(context, single, flags.output),
  });
}

interface Watched<Shown> {
  readonly load: () => Promise<Shown>;
  /** What is compared: the data, as ages in the text change all the time. */
  readonly keyOf: (shown: Shown) => unknown;
  readonly print: (shown: Shown) => Promise<void>;
}

async function watch<Shown>(
  context: CliContext,
  flags: WatchFlags,
  { load, keyOf, print }: Watched<Shown>,
): Promise<void> {
  const first = await load();
  await print(first);
  if (flags.watch !== true) return;
  const signal = AbortSignal.any([context.interrupted, context.outputClosed]);
  let last = JSON.stringify(keyOf(first));
  let isAway = false;
  for (;;) {
    await delay(systemClock, watchMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const next = await load();
      isAway = false;
      const key = JSON.stringify(keyOf(next));
      if (key === last) continue;
      last = key;
      if (flags.output === "table" || flags.output === "wide") context.print("");
      await print(next);
    } catch (error) {
      if (!isAgentError(error, ...transient)) throw error;
      if (!isAway) context.tell(`${errorMessage(error)}; trying again until Ctrl-C`);
      isAway = true;
    }
  }
}
