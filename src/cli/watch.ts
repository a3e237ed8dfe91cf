/** `-w`: prints a listing again whenever it changed, until Ctrl-C. */
import { type Command } from "commander";
import { delay, systemClock } from "../base/clock.ts";
import { formatOf } from "./arguments.ts";
import { type CliContext } from "./context.ts";
import { type Listing, printListing, renderListing } from "./render/output.ts";

const watchMs = 1000;

export function withWatch(command: Command): Command {
  return command.option("-w, --watch", "print again whenever something changed, until Ctrl-C");
}

export interface WatchFlags {
  readonly output?: string;
  readonly watch?: boolean;
}

export async function watchListing<Item>(
  context: CliContext,
  flags: WatchFlags,
  load: () => Promise<Listing<Item>>,
): Promise<void> {
  const format = formatOf(flags);
  await printListing(context, await load(), format);
  if (flags.watch !== true) return;
  const signal = context.interrupted;
  let last = "";
  while (!signal.aborted) {
    await delay(systemClock, watchMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    const text = await renderListing(await load(), format);
    if (text !== last && last !== "") context.print(`\n${text}`);
    last = text;
  }
}
