/**
 * Histories of a cluster that split: inside one generation all of Raft holds, so what it answered is linearizable by
 * itself, whatever others did meanwhile. Between two nothing is promised but that no acknowledged write is lost.
 *
 * A generation begins with what its parent left, and a merge writes what another one wrote: so a value of another
 * generation may appear in it once, at any time after it was written there. What nobody has an answer to may have
 * happened in any of them.
 */
import { type Budget } from "../linearizability/budget.ts";
import { check } from "../linearizability/check.ts";
import { explain } from "../linearizability/explain.ts";
import { type Operation } from "../linearizability/history.ts";
import { readOperations } from "../linearizability/history-text.ts";
import { keyValue, type KeyValueOp } from "../linearizability/key-value.ts";
import { keyValueLog } from "../linearizability/key-value-log.ts";
import { type Recorder } from "../linearizability/recorder.ts";

type Op = Operation<KeyValueOp>;

export interface Judged {
  /** `generation: operations`. */
  readonly judged: readonly string[];
  readonly problems: readonly string[];
}

export function judgeGenerations(recorder: Recorder, budget: Budget): Judged {
  const lines = recorder.text().split("\n");
  const all = readOperations("history", lines, keyValueLog);
  const told = Map.groupBy(all, ({ returned }) =>
    returned === null ? null : recorder.generationAt(returned),
  );
  const open = told.get(null) ?? [];
  told.delete(null);
  const judged: string[] = [];
  const problems: string[] = [];
  for (const [generation, own] of told) {
    if (generation === null) continue;
    const others = [...told].flatMap(([id, some]) => (id === generation ? [] : some));
    const history = [...own, ...open, ...brought(own, open, others)];
    const judgement = check(history, keyValue, budget);
    judged.push(`${generation}: ${own.length}`);
    if (judgement.verdict === "ok") continue;
    const reason = explain(judgement, keyValue);
    problems.push(`Generation ${generation} is not linearizable (${judgement.verdict}): ${reason}`);
  }
  return { judged, problems };
}

/**
 * Writes of other generations whose values were seen in this one, if only by a swap that nobody has an answer to; they
 * may take effect after they were asked for.
 */
function brought(own: readonly Op[], open: readonly Op[], others: readonly Op[]): readonly Op[] {
  const written = new Set(own.flatMap(({ op }) => (writes(op) ? [placeOf(op.key, op.value)] : [])));
  const swaps = open.filter(({ op }) => op.f === "cas");
  const seen = new Set(
    [...own, ...swaps].map(({ op }) => placeOf(op.key, op.f === "cas" ? op.from : op.value)),
  );
  const foreign: Op[] = [];
  for (const { process, op, called } of others) {
    const place = placeOf(op.key, op.value);
    if (!writes(op) || !seen.has(place) || written.has(place)) continue;
    const { key, value } = op;
    if (value !== "") written.add(place); // a key can be deleted more than once
    foreign.push({ process, op: { f: "put", key, value }, called, returned: null });
  }
  return [...foreign, ...found(own)];
}

/** A generation other than the first may begin with a value that nobody read: a refused swap shows no more of it. */
function found(own: readonly Op[]): readonly Op[] {
  const keys = new Set(own.map(({ op }) => op.key));
  return [...keys].map((key) => {
    const op = { f: "put", key, value: "something else" } as const;
    return { process: -1, op, called: 0, returned: null };
  });
}

function writes(op: KeyValueOp): boolean {
  return op.f === "put" || op.f === "append" || (op.f === "cas" && op.swapped);
}

function placeOf(key: string, value: string): string {
  return `${key}\n${value}`;
}
