/** Prints a stream line by line until it ends, Ctrl-C is pressed, or nobody reads any more. */
import { type CliContext } from "./context.ts";

/** Resolves with the number of printed lines. */
export async function printStream<Item>(
  context: CliContext,
  open: (signal: AbortSignal) => AsyncIterable<Item>,
  text: (item: Item) => string | Promise<string>,
): Promise<number> {
  const signal = AbortSignal.any([context.interrupted, context.outputClosed]);
  let count = 0;
  try {
    for await (const item of open(signal)) {
      context.print(await text(item));
      count += 1;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return count;
}
