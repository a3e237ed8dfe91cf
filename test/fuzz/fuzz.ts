/** Feeds every decoder of bytes from outside in turn, but HTTP's. A failure names target, seed and input. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { borderTargets } from "./border-target.ts";
import { coreTargets } from "./core-target.ts";
import { doorstepTargets } from "./doorstep-target.ts";
import { Corpus } from "./mutation.ts";
import { raftTargets } from "./raft-target.ts";
import { rpcTargets } from "./rpc-target.ts";
import { type Target } from "./target.ts";

export interface FuzzResult {
  readonly target: string;
  readonly inputs: number;
  /** Inputs that were well-formed, and so reached what stands behind the decoder. */
  readonly taken: number;
}

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Called now and then with how many inputs were fed. */
  readonly progress?: (fed: number) => void;
}

const progressEvery = 500_000;
const turnEvery = 1000;

function targets(random: Random): readonly Target[] {
  return [
    ...[...coreTargets(random), ...borderTargets(random), ...raftTargets(random)],
    ...[...rpcTargets(random), ...doorstepTargets(random)],
  ];
}

export async function fuzz(options: FuzzOptions): Promise<readonly FuzzResult[]> {
  const random = seededRandom(options.seed);
  const rows = targets(random).map((target) => ({
    target,
    corpus: new Corpus(random),
    inputs: 0,
    taken: 0,
  }));
  for (let input = 0; input < options.inputs; input += 1) {
    const row = rows[input % rows.length];
    if (row === undefined) break;
    // Handlers answer later: without a turn of the loop they never would, and their promises would pile up.
    if (input % turnEvery === 0) await nextTurn();
    if (input > 0 && input % progressEvery === 0) options.progress?.(input);
    const bytes = row.corpus.next(row.target.valid());
    row.inputs += 1;
    try {
      if (row.target.feed(bytes)) row.taken += 1;
    } catch (error) {
      const where = `target "${row.target.name}", seed ${options.seed}, input ${input}`;
      const hex = Buffer.from(bytes).toString("hex");
      throw new Error(`${where}: ${String(error)}\n${hex}`, { cause: error });
    }
  }
  return rows.map(({ target, inputs, taken }) => ({ target: target.name, inputs, taken }));
}
