/** Feeds every decoder of gossip and of the mesh's border in turn. A failure names target, seed and input. */
import { seededRandom } from "../../src/base/random.ts";
import { borderTargets } from "./border-target.ts";
import { coreTargets } from "./core-target.ts";
import { Corpus } from "./mutation.ts";

export interface FuzzResult {
  readonly target: string;
  readonly inputs: number;
  /** Inputs that were well-formed, and so reached what stands behind the decoder. */
  readonly taken: number;
}

export function fuzz(options: { readonly inputs: number; readonly seed: number }): FuzzResult[] {
  const random = seededRandom(options.seed);
  const rows = [...coreTargets(random), ...borderTargets(random)].map((target) => ({
    target,
    corpus: new Corpus(random),
    inputs: 0,
    taken: 0,
  }));
  for (let input = 0; input < options.inputs; input += 1) {
    const row = rows[input % rows.length];
    if (row === undefined) break;
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
