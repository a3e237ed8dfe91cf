/** Which connections are closed for being idle, and when. */
import { type Connection, type Stream } from "@libp2p/interface";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId, type PeerId } from "../../../src/base/ids.ts";
import { IdleConnections } from "../../../src/p2p/idle-connections.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("idle connections");
const periodMs = 10_000;

class Bench {
  readonly clock = new VirtualClock();
  readonly slowness = { factor: 1 };
  readonly kept = new Set<string>();
  readonly strangers = new Set<Connection>();
  readonly released: Connection[] = [];
  readonly rests: number[] = [];
  readonly #open: { readonly peer: PeerId; readonly connection: Connection }[] = [];

  begin(): void {
    const idle = new IdleConnections({
      table: {
        list: () =>
          this.#open.map(({ peer, connection }) => {
            return { peer, entry: { connection, sinceMs: 0, ours: false } };
          }),
        newest: (peer) => this.#open.findLast((one) => one.peer === peer)?.connection ?? null,
        release: (connection) => {
          const at = this.#open.findIndex((one) => one.connection === connection);
          this.#open.splice(at, 1);
          this.released.push(connection);
        },
      },
      keeps: (peer) => this.kept.has(peer),
      isStranger: (connection) => this.strangers.has(connection),
      rest: (unusedMs) => this.rests.push(unusedMs),
      clock: this.clock,
      slowness: this.slowness,
    });
    idle.start(periodMs);
  }

  connect(peer: string): Connection & { streams: Stream[] } {
    const connection = { streams: [] as Stream[] } as Connection & { streams: Stream[] };
    this.#open.push({ peer: asPeerId(peer), connection });
    return connection;
  }
}

const stream = {} as Stream;

it("gives what is not used one whole period, and what is used as long as it is", async () => {
  const bench = new Bench();
  bench.begin();
  const [unused, used] = [bench.connect("a"), bench.connect("b")];
  used.streams.push(stream);
  await bench.clock.advance(periodMs + 1);
  assert.equal(bench.released, []);
  assert.ok((bench.rests[0] ?? 0) > periodMs, "owners are told first to close what rests");
  await bench.clock.advance(periodMs);
  assert.ok(bench.released.length === 1 && bench.released[0] === unused);
  used.streams.pop();
  await bench.clock.advance(periodMs);
  used.streams.push(stream); // just in time
  await bench.clock.advance(5 * periodMs);
  assert.is(bench.released.length, 1);
});

it("spares peers that are kept and strangers, as long as they are", async () => {
  const bench = new Bench();
  bench.begin();
  bench.kept.add("a");
  const [kept, stranger] = [bench.connect("a"), bench.connect("b")];
  bench.strangers.add(stranger);
  await bench.clock.advance(5 * periodMs);
  assert.equal(bench.released, []);
  bench.kept.clear();
  bench.strangers.clear();
  await bench.clock.advance(2 * periodMs);
  assert.ok(bench.released.includes(kept) && bench.released.includes(stranger));
});

it("keeps the newest of two, when nothing is on the other", async () => {
  const bench = new Bench();
  bench.begin();
  bench.kept.add("a");
  const [older, newest] = [bench.connect("a"), bench.connect("a")];
  older.streams.push(stream);
  await bench.clock.advance(3 * periodMs);
  assert.equal(bench.released, [], "both are used");
  older.streams.pop();
  await bench.clock.advance(3 * periodMs);
  assert.ok(bench.released.length === 1 && bench.released[0] === older && newest !== older);
});

it("gives them as many times longer as the machine is slow: a new connection would be slow, too", async () => {
  const bench = new Bench();
  bench.slowness.factor = 4;
  bench.begin();
  bench.connect("a");
  await bench.clock.advance(3.9 * periodMs);
  assert.equal(bench.released, []);
  assert.ok((bench.rests[0] ?? 0) > 4 * periodMs);
  await bench.clock.advance(1.2 * periodMs);
  assert.is(bench.released.length, 1);
});

it.run();
