/** Options of the developers' tools: `--help` prints the usage, and what cannot be understood is said in one line. */
import process from "node:process";
import { errorMessage } from "../../src/base/errors.ts";

export const help = { type: "boolean", short: "h", default: false } as const;

interface Parsed {
  readonly values: { readonly help?: boolean | undefined };
}

/** What `parse` gives. Ends the process with 0 for `--help`, with 2 when `parse` throws. */
export function understood<T extends Parsed>(usage: string, parse: () => T): T {
  let parsed: T;
  try {
    parsed = parse();
  } catch (error) {
    return misused(usage, errorMessage(error));
  }
  if (parsed.values.help !== true) return parsed;
  process.stdout.write(usage);
  process.exit(0);
}

export function misused(usage: string, why: string): never {
  const [first = why] = why.split(/\.? To specify|\n/);
  process.stderr.write(`${first}\n\n${usage}`);
  process.exit(2);
}

/** @throws Error when it is no number of at least `least`. */
export function whole(name: string, text: string, least = 0): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${name} must be a whole number of at least ${least}, not "${text}"`);
}
