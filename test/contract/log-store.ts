/** What every LogStore must do; run on LevelDB and on the twin in memory. */
import { type Test, suite } from "uvu";
import * as assert from "uvu/assert";
import { must } from "../../src/base/assert.ts";
import { isAgentError } from "../../src/base/errors.ts";
import { emptyConfiguration, simpleConfiguration } from "../../src/consensus/core/configuration.ts";
import { type HardState, type RecoveredLog } from "../../src/consensus/core/types.ts";
import { type LogStore } from "../../src/consensus/driver/ports.ts";
import { bootstrapLineage, withGeneration } from "../../src/consensus/lineage/generation.ts";
import { type Lineage } from "../../src/consensus/lineage/types.ts";
import { command, commands, configEntry, shown, snapshotMeta, write } from "../support/entries.ts";

export interface LogHarness {
  /** A store on the same disk as the last one of this harness. */
  store(): LogStore;
  dispose(): Promise<void>;
}

const bootstrap = simpleConfiguration(["a", "b", "c"]);
const genesis = bootstrapLineage("c");
const [root] = genesis.generations;
const child = {
  ...must(root, "a lineage has a generation"),
  ...{ n: 2, id: "f".repeat(32), parent: root?.id ?? "", kind: "forced-auto" as const },
  ...{ forkIndex: 3, forkTerm: 1, forkChain: "a".repeat(32), legitCommit: 2, members: ["a"] },
};
const forced: Lineage = {
  generations: withGeneration(genesis.generations, child),
  promise: null,
  voteFrom: { term: 3, index: 9 },
};

export function logStoreContract(name: string, harness: () => Promise<LogHarness>): Test {
  const it = suite(`log store: ${name}`);

  const on = (title: string, test: (session: Session) => Promise<void>): void => {
    it(title, async () => {
      const session = new Session(await harness());
      try {
        await session.reopen();
        await test(session);
      } finally {
        await session.close();
      }
    });
  };

  on("begins empty, with the configuration it was given", async (s) => {
    assert.equal(s.recovered.configs, [bootstrap]);
    assert.is(s.recovered.firstIndex, 1);
    assert.is(s.recovered.lastIndex, 0);
    assert.equal(s.recovered.termRuns, []);
    assert.equal(s.recovered.hardState, { term: 0, vote: null, commit: 0 });
    assert.is(s.recovered.snapshot, null);
  });

  on("gives back after a restart what was appended", async (s) => {
    const hardState = { term: 3, vote: "b", commit: 2 };
    await s.store.append(write({ entries: commands(1, 3, 1), hardState }));
    await s.store.append(write({ entries: [command(4, 2), command(5, 3)] }));
    await s.reopen();
    assert.equal(s.recovered.hardState, hardState);
    assert.is(s.recovered.lastIndex, 5);
    const runs = [
      { first: 1, term: 1 },
      { first: 4, term: 2 },
      { first: 5, term: 3 },
    ];
    assert.equal(s.recovered.termRuns, runs);
    const all = [...commands(1, 3, 1), command(4, 2), command(5, 3)];
    assert.equal(shown(s.recovered.tail), shown(all));
    assert.equal(shown(await s.store.read(1, 1e6)), shown(all));
  });

  on("keeps the bootstrap configuration of its first opening", async (s) => {
    await s.store.close();
    s.store = s.harness.store();
    const other = { bootstrap: simpleConfiguration(["z"]), lineage: bootstrapLineage("z") };
    const { recovered, lineage } = await s.store.open(other);
    assert.equal(lineage, genesis);
    assert.equal(recovered.configs, [bootstrap]);
  });

  on("reads from the middle, within a byte limit, and at least one entry", async (s) => {
    await s.store.append(write({ entries: commands(1, 10, 1) }));
    await s.store.append(write({ entries: commands(11, 20, 1) }));
    assert.equal(shown(await s.store.read(8, 50)), shown(commands(8, 12, 1)));
    assert.equal(shown(await s.store.read(20, 1)), shown(commands(20, 20, 1)));
    assert.equal(await s.store.read(21, 100), []);
  });

  on("cuts a suffix and appends in one write", async (s) => {
    await s.store.append(write({ entries: commands(1, 10, 1) }));
    await s.store.append(write({ entries: commands(11, 20, 2) }));
    await s.store.append(write({ truncateFrom: 5, entries: [command(5, 3, "new")] }));
    await s.reopen();
    const kept = [...commands(1, 4, 1), command(5, 3, "new")];
    assert.equal(shown(s.recovered.tail), shown(kept));
    assert.equal(shown(await s.store.read(4, 1e6)), shown(kept.slice(3)));
    await s.store.append(write({ truncateFrom: 5 }));
    await s.store.append(write({ truncateFrom: 1, entries: commands(1, 2, 4) }));
    await s.reopen();
    assert.equal(shown(s.recovered.tail), shown(commands(1, 2, 4)));
  });

  on("cuts at a border of writes", async (s) => {
    await s.store.append(write({ entries: commands(1, 2, 1) }));
    await s.store.append(write({ entries: commands(3, 4, 1) }));
    await s.store.append(write({ truncateFrom: 3, entries: commands(3, 3, 2) }));
    await s.store.append(write({ truncateFrom: 9, entries: commands(4, 4, 2) }));
    await s.reopen();
    assert.equal(shown(s.recovered.tail), shown([...commands(1, 2, 1), ...commands(3, 4, 2)]));
  });

  on("forgets entries before an index, and says so", async (s) => {
    for (let i = 0; i < 40; i += 1) {
      await s.store.append(write({ entries: commands(i * 10 + 1, i * 10 + 10, i + 1) }));
    }
    const before = s.store.sizeBytes();
    await s.store.compact(205);
    assert.ok(s.store.sizeBytes() < before * 0.6);
    for (const reopened of [false, true]) {
      if (reopened) await s.reopen();
      assert.is(await s.store.read(204, 100), null);
      assert.equal(shown(await s.store.read(205, 1)), shown([command(205, 21)]));
    }
    assert.is(s.recovered.firstIndex, 205);
    assert.is(s.recovered.lastIndex, 400);
    assert.equal(s.recovered.termRuns[0], { first: 205, term: 21 });
    await s.store.compact(100);
    await s.store.append(write({ entries: commands(401, 402, 41) }));
    await s.store.compact(9999);
    await s.reopen();
    assert.is(s.recovered.firstIndex, 403);
    assert.is(s.recovered.lastIndex, 402);
    await s.store.append(write({ entries: commands(403, 404, 41) }));
    await s.reopen();
    assert.equal(shown(s.recovered.tail), shown(commands(403, 404, 41)));
  });

  on("knows the configurations of the retained log and the one before it", async (s) => {
    const two = { ...simpleConfiguration(["a", "b"]), index: 2 };
    const three = { ...simpleConfiguration(["a"]), index: 4 };
    await s.store.append(write({ entries: [command(1, 1), configEntry(2, 1, two)] }));
    await s.store.append(write({ entries: [command(3, 1), configEntry(4, 1, three)] }));
    await s.reopen();
    assert.equal(s.recovered.configs, [bootstrap, two, three]);
    await s.store.compact(4);
    await s.reopen();
    assert.equal(s.recovered.configs, [two, three]);
    await s.store.append(write({ truncateFrom: 4, entries: [command(4, 2)] }));
    await s.reopen();
    assert.equal(s.recovered.configs, [two]);
  });

  on("restarts behind a snapshot, atomically with what follows it", async (s) => {
    await s.store.append(write({ entries: commands(1, 10, 1) }));
    const meta = snapshotMeta(50, 4, { ...simpleConfiguration(["a", "d"]), index: 44 });
    const hardState = { term: 5, vote: null, commit: 50 };
    await s.store.append(write({ snapshot: meta, entries: commands(51, 53, 5), hardState }));
    await s.reopen();
    assert.equal(s.recovered.snapshot, meta);
    assert.equal(s.recovered.configs, [meta.config]);
    assert.is(s.recovered.firstIndex, 51);
    assert.equal(shown(s.recovered.tail), shown(commands(51, 53, 5)));
    assert.equal(s.recovered.hardState, hardState);
    assert.is(await s.store.read(50, 10), null);
    const later = snapshotMeta(60, 6, bootstrap);
    await s.store.reset(later, { term: 6, vote: "a", commit: 60 });
    await s.reopen();
    assert.equal(s.recovered.snapshot, later);
    assert.is(s.recovered.firstIndex, 61);
    assert.is(s.recovered.lastIndex, 60);
  });

  on("leaves nothing behind a snapshot that lies in the middle of the log", async (s) => {
    for (let i = 0; i < 10; i += 1) {
      await s.store.append(write({ entries: commands(i * 10 + 1, i * 10 + 10, 1) }));
    }
    const meta = snapshotMeta(55, 4, bootstrap);
    await s.store.append(write({ snapshot: meta }));
    await s.reopen();
    assert.is(s.recovered.lastIndex, 55);
    assert.equal(s.recovered.tail, []);
    await s.store.append(write({ entries: commands(56, 58, 4) }));
    await s.reopen();
    assert.equal(shown(await s.store.read(56, 1e6)), shown(commands(56, 58, 4)));
  });

  on("cuts off everything behind a compacted beginning", async (s) => {
    await s.store.append(write({ entries: commands(1, 20, 1) }));
    await s.store.compact(11);
    await s.store.append(write({ truncateFrom: 11 }));
    await s.reopen();
    assert.is(s.recovered.firstIndex, 11);
    assert.is(s.recovered.lastIndex, 10);
    await s.store.append(write({ entries: commands(11, 12, 2) }));
    await s.reopen();
    assert.equal(shown(s.recovered.tail), shown(commands(11, 12, 2)));
    assert.is(await s.store.read(10, 1), null);
  });

  on("keeps a commit-only update over an orderly restart", async (s) => {
    await s.store.append(write({ entries: commands(1, 3, 1) }));
    const hardState = { term: 1, vote: "a", commit: 3 };
    await s.store.append(write({ hardState, mustSync: false }));
    await s.reopen();
    assert.equal(s.recovered.hardState, hardState);
  });

  on("keeps empty, binary and large payloads", async (s) => {
    const large = { index: 2, term: 1, type: 1, data: Buffer.alloc(300_000, 0xfe) } as const;
    const empty = { index: 1, term: 1, type: 0, data: new Uint8Array() } as const;
    const many = Array.from({ length: 8 }, (_, i) => ({ ...large, index: i + 3 }));
    await s.store.append(write({ entries: [empty, large, ...many] }));
    await s.reopen();
    assert.equal(shown(await s.store.read(1, 1e9)), shown([empty, large, ...many]));
  });

  on("keeps the order of writes that were not waited for", async (s) => {
    const writes: Promise<void>[] = [];
    for (let i = 1; i <= 50; i += 1)
      writes.push(s.store.append(write({ entries: [command(i, 1)] })));
    writes.push(s.store.append(write({ truncateFrom: 26 })));
    writes.push(s.store.compact(11));
    await Promise.all(writes);
    await s.reopen();
    assert.equal(shown(await s.store.read(11, 1e6)), shown(commands(11, 25, 1)));
  });

  on("reads whole runs while the log is cut, compacted and appended to", async (s) => {
    const one = (from: number, last: number, term: number): Promise<unknown> =>
      Promise.all(commands(from, last, term).map((e) => s.store.append(write({ entries: [e] }))));
    await one(1, 70, 1);
    const work: Promise<unknown>[] = [];
    const check = async (from: number): Promise<void> => {
      const found = (await s.store.read(from, 1e6)) ?? [];
      assert.ok(found.length > 0, `entry ${from} is there`);
      assert.ok(
        found.every(({ index }, k) => index === from + k),
        "without a gap",
      );
      assert.ok(
        found.every(({ term }, k) => term >= (found[k - 1]?.term ?? 0)),
        "of one history",
      );
    };
    for (let i = 0; i < 8; i += 1) {
      for (let k = 0; k < 4; k += 1) work.push(check(51 + k));
      await s.store.read(50, 1); // lets the reads above get half way
      work.push(s.store.append(write({ truncateFrom: 60 })));
      work.push(one(60, 70, i + 2));
      if (i % 5 === 4) work.push(s.store.compact(i));
      for (let k = 0; k < 4; k += 1) work.push(check(51 + k));
    }
    await Promise.all(work);
  });

  on("enters a generation in one write with its hard state, its cut and its entries", async (s) => {
    await s.store.append(write({ entries: commands(1, 5, 1), hardState: hard(1, "b", 2) }));
    const entries = [command(4, 7, "force")];
    const hardState = hard(7, "a", 2);
    await s.store.append(write({ lineage: forced, truncateFrom: 4, entries, hardState }));
    assert.equal(s.lineage, genesis);
    await s.reopen();
    assert.equal(s.lineage, forced);
    assert.equal(s.recovered.hardState, hardState);
    assert.equal(shown(s.recovered.tail), shown([...commands(1, 3, 1), ...entries]));
  });

  on(
    "keeps a promise that comes alone, and gives it back when it is opened again in place",
    async (s) => {
      const ballot = { counter: 1, node: "b" };
      const accepted = { ballot, child };
      const lineage = { ...genesis, promise: { parent: child.parent, ballot, accepted } };
      await s.store.append(write({ entries: commands(1, 5, 1) }));
      await s.store.append(write({ lineage }));
      const opened = await s.store.open({ bootstrap, lineage: genesis });
      assert.equal(opened.lineage, lineage);
      await s.store.append(write({ entries: commands(6, 7, 1) }));
      await s.reopen();
      assert.equal(s.lineage, lineage);
      assert.is(s.recovered.lastIndex, 7);
    },
  );

  on("starts over with an empty log in a generation", async (s) => {
    await s.store.append(write({ entries: commands(1, 5, 1), hardState: hard(4, "b", 5) }));
    const hardState = hard(4, "a", 0);
    await s.store.append(write({ clear: true, lineage: forced, hardState }));
    await s.reopen();
    assert.equal(s.lineage, forced);
    assert.equal(s.recovered.hardState, hardState);
    assert.is(s.recovered.lastIndex, 0);
    assert.equal(s.recovered.configs, [emptyConfiguration]);
    assert.is(await s.store.chainAt(0), await origin());
    await s.store.append(write({ entries: commands(1, 2, 9) }));
    await s.reopen();
    assert.equal(shown(s.recovered.tail), shown(commands(1, 2, 9)));
  });

  on("tells the same hash chain however the log came to hold an entry", async (s) => {
    const entries = commands(1, 12, 1);
    await s.store.append(write({ entries }));
    const whole = await s.store.chainAt(9);
    const at = await s.store.chainAt(6);
    assert.is(at?.length, 32);
    assert.is(await s.store.chainAt(13), null);
    await s.store.append(write({ truncateFrom: 6, entries: entries.slice(5) }));
    await s.store.compact(4);
    assert.is(await s.store.chainAt(6), at);
    const chain = must(at ?? undefined, "entry 6 has a chain");
    const meta = { ...snapshotMeta(6, 1, bootstrap), chain };
    await s.store.append(write({ snapshot: meta, entries: entries.slice(6) }));
    assert.is(await s.store.chainAt(6), at);
    assert.is(await s.store.chainAt(5), null);
    await s.reopen();
    assert.is(await s.store.chainAt(9), whole);
    assert.equal(s.recovered.snapshot, meta);
  });

  on("refuses writes after it was closed", async (s) => {
    await s.store.close();
    await s.store.close();
    const outcome = await s.store.append(write({ entries: commands(1, 1, 1) })).catch(codeOf);
    assert.is(outcome, "STOPPED");
  });

  async function origin(): Promise<string | null> {
    const session = new Session(await harness());
    await session.reopen();
    const chain = await session.store.chainAt(0);
    await session.close();
    return chain;
  }

  return it;
}

function hard(term: number, vote: string, commit: number): HardState {
  return { term, vote, commit };
}

export function codeOf(error: unknown): string {
  return isAgentError(error) ? error.code : String(error);
}

class Session {
  readonly harness: LogHarness;
  store: LogStore;
  #recovered: RecoveredLog | null = null;
  /** What the last opening found. */
  lineage: Lineage = genesis;
  #open = false;

  constructor(harness: LogHarness) {
    this.harness = harness;
    this.store = harness.store();
  }

  get recovered(): RecoveredLog {
    if (this.#recovered === null) throw new Error("not open");
    return this.#recovered;
  }

  async reopen(): Promise<void> {
    if (this.#open) await this.store.close();
    this.store = this.harness.store();
    const opened = await this.store.open({ bootstrap, lineage: genesis });
    const { recovered, lineage, health, detail } = opened;
    this.lineage = lineage;
    this.#open = true;
    assert.is(health, "ok", detail);
    this.#recovered = recovered;
  }

  async close(): Promise<void> {
    await this.store.close();
    await this.harness.dispose();
  }
}
