/** Whom an agent asks whether it is still a member, and when: on an inventory and virtual time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EvictionInquiry } from "../../../src/agent/eviction-inquiry.ts";
import { type EvictionVerdict } from "../../../src/agent/eviction-claims.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import {
  bootstrapGeneration,
  bootstrapLineage,
} from "../../../src/consensus/lineage/generation.ts";
import { type Standing } from "../../../src/p2p/standing-wire.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent/eviction-inquiry");
const generation = bootstrapGeneration("c");

class Bench {
  readonly clock = new VirtualClock();
  readonly asked: PeerId[] = [];
  readonly ended: EvictionVerdict[] = [];
  readonly words = new Map<PeerId, Standing>();
  alive: string[] = ["n1"];
  hasQuorum = false;
  answering: Promise<void> = Promise.resolve();
  readonly inquiry: EvictionInquiry;

  constructor(...nodes: readonly string[]) {
    this.inquiry = new EvictionInquiry({
      self: peer("n1"),
      view: cluster(...nodes).view,
      lineage: () => bootstrapLineage("c"),
      hasQuorum: () => this.hasQuorum,
      gossip: { members: () => this.alive.map((name) => memberView({ name })) },
      ask: async (id) => {
        this.asked.push(id);
        await this.answering;
        const word = this.words.get(id);
        if (word === undefined) throw new AgentError("PEER_UNREACHABLE", "no");
        return word;
      },
      onEvicted: (verdict) => this.ended.push(verdict),
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
  }

  says(name: string, standing: "evicted" | "admitted", index = 1000, of = generation): void {
    this.words.set(peer(name), { standing, generation: of, index });
  }

  inCompany(): void {
    this.hasQuorum = true;
    this.alive = ["n1", "n2"];
  }

  async run(ms: number): Promise<void> {
    await this.inquiry.start();
    await this.clock.advance(ms);
    await this.inquiry.stop();
  }
}

it("asks nobody while it has a leader and company", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.hasQuorum = true;
  bench.alive = ["n1", "n2"];
  await bench.run(60_000);
  assert.equal(bench.asked, []);
});

it("asks without a leader, and where it leads nobody but itself", async () => {
  for (const hasQuorum of [false, true]) {
    const bench = new Bench("n1", "n2");
    bench.hasQuorum = hasQuorum;
    await bench.run(5000);
    assert.equal(bench.asked, [peer("n2")]);
  }
});

it("asks three at once, and nobody twice within ten seconds", async () => {
  const bench = new Bench("n1", "n2", "n3", "n4", "n5", "n6");
  await bench.run(9000);
  assert.is(bench.asked.length, 5);
  assert.is(new Set(bench.asked).size, 5);
});

const thirty = Array.from({ length: 30 }, (_, i) => `n${i + 1}`);

it("asks three each ten seconds once three said that they admit it", async () => {
  const bench = new Bench(...thirty);
  for (const name of thirty) bench.says(name, "admitted");
  await bench.inquiry.start();
  await bench.clock.advance(1000);
  assert.is(bench.asked.length, 3);
  await bench.clock.advance(30_000);
  assert.is(bench.asked.length, 12);
  for (const name of thirty) bench.says(name, "evicted", 2000);
  await bench.clock.advance(10_000);
  assert.is(bench.ended.length, 1);
  await bench.inquiry.stop();
});

it("goes on asking three a second where one of the first three says otherwise", async () => {
  const first = new Bench(...thirty);
  await first.run(1000);
  const bench = new Bench(...thirty);
  for (const name of thirty) bench.says(name, "admitted");
  const [other = ""] = thirty.filter((name) => peer(name) === first.asked[0]);
  bench.says(other, "evicted");
  await bench.run(5000);
  assert.is(bench.asked.length, 15);
});

it("has six questions under way at most", async () => {
  const bench = new Bench(...thirty);
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.answering = promise;
  await bench.inquiry.start();
  await bench.clock.advance(20_000);
  assert.is(bench.asked.length, 6);
  resolve();
  await bench.clock.advance(1000);
  assert.is(bench.asked.length, 9);
  await bench.inquiry.stop();
});

it("ends once when two members say so, and asks no more", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.says("n2", "evicted");
  bench.says("n3", "evicted");
  await bench.run(60_000);
  assert.is(bench.ended.length, 1);
  assert.equal(bench.ended[0]?.claims.map(({ by }) => by).sort(), [peer("n2"), peer("n3")]);
  assert.is(bench.asked.length, 2);
});

it("is doubted, and does not end, at the word of one of two", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.says("n2", "evicted");
  bench.says("n3", "admitted");
  await bench.run(9000);
  assert.is(bench.ended.length, 0);
  assert.is(bench.inquiry.verdict()?.believed, false);
});

it("takes a word back when its member says otherwise later", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.says("n2", "evicted");
  await bench.inquiry.start();
  await bench.clock.advance(5000);
  assert.ok(bench.inquiry.verdict() !== null);
  bench.says("n2", "admitted");
  await bench.clock.advance(12_000);
  assert.is(bench.inquiry.verdict(), null);
  await bench.inquiry.stop();
});

it("waits for the members of its own generation before it believes those of a fork", async () => {
  const fork = { ...generation, n: 2, id: "2".repeat(32), parent: generation.id };
  const bench = new Bench("n1", "n2", "n3", "n4", "n5");
  for (const name of ["n4", "n5"]) bench.says(name, "evicted", 1000, fork);
  await bench.inquiry.start();
  await bench.clock.advance(29_000);
  assert.is(bench.ended.length, 0, "n2 and n3 do not answer just now");
  for (const name of ["n2", "n3"]) bench.says(name, "admitted", 0);
  await bench.clock.advance(120_000);
  assert.is(bench.ended.length, 0, "they admit it");
  for (const name of ["n2", "n3"]) bench.says(name, "evicted", 1000, fork);
  await bench.clock.advance(12_000);
  assert.is(bench.ended.length, 1, "they joined the fork, and it won");
  await bench.inquiry.stop();
});

it("counts its patience anew when a leader was in sight", async () => {
  const fork = { ...generation, n: 2, id: "2".repeat(32), parent: generation.id };
  const bench = new Bench("n1", "n2", "n3");
  for (const name of ["n2", "n3"]) bench.says(name, "evicted", 1000, fork);
  await bench.inquiry.start();
  await bench.clock.advance(25_000);
  bench.inCompany();
  await bench.clock.advance(6000);
  bench.hasQuorum = false;
  await bench.clock.advance(25_000);
  assert.is(bench.ended.length, 0);
  await bench.clock.advance(20_000);
  assert.is(bench.ended.length, 1);
  await bench.inquiry.stop();
});

it("decides nothing by an answer that comes when a leader and company are back", async () => {
  const bench = new Bench("n1", "n2", "n3");
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.answering = promise;
  for (const name of ["n2", "n3"]) bench.says(name, "evicted");
  await bench.inquiry.start();
  await bench.clock.advance(2000);
  bench.inCompany();
  resolve();
  await bench.clock.advance(1000);
  assert.is(bench.asked.length, 2);
  assert.is(bench.ended.length, 0);
  await bench.inquiry.stop();
});

it("lets the claim of a member lapse that answers no more for a minute", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.says("n2", "evicted");
  await bench.inquiry.start();
  await bench.clock.advance(120_000);
  assert.ok(bench.inquiry.verdict() !== null, "it is asked again and again");
  bench.words.clear();
  await bench.clock.advance(45_000);
  assert.ok(bench.inquiry.verdict() !== null, "it may answer yet");
  await bench.clock.advance(30_000);
  assert.is(bench.inquiry.verdict(), null, "its author may be gone for good");
  await bench.inquiry.stop();
});

it("lets a denial lapse of a member that answers no more for a minute", async () => {
  const bench = new Bench("n1", "n2", "n3", "n4");
  bench.says("n4", "admitted");
  await bench.inquiry.start();
  await bench.clock.advance(5000);
  for (const name of ["n2", "n3"]) bench.says(name, "evicted");
  await bench.clock.advance(120_000);
  assert.is(bench.ended.length, 0);
  bench.words.delete(peer("n4"));
  await bench.clock.advance(90_000);
  assert.is(bench.ended.length, 1);
  await bench.inquiry.stop();
});

it("keeps the words of the living where it takes more than a minute to ask all", async () => {
  const many = Array.from({ length: 300 }, (_, at) => `n${at + 1}`);
  const bench = new Bench(...many);
  const [, second = "", ...rest] = many;
  bench.says(second, "evicted");
  for (const name of rest) bench.says(name, "admitted", 0);
  await bench.inquiry.start();
  await bench.clock.until("it says so", () => bench.inquiry.verdict() !== null, 600_000);
  for (let step = 0; step < 300; step += 1) {
    await bench.clock.advance(1000);
    assert.ok(bench.inquiry.verdict() !== null);
  }
  await bench.inquiry.stop();
});

it("lets a claim lapse after a minute with a leader and company", async () => {
  const bench = new Bench("n1", "n2", "n3");
  bench.says("n2", "evicted");
  await bench.inquiry.start();
  await bench.clock.advance(11_000);
  bench.inCompany();
  await bench.clock.advance(40_000);
  assert.ok(bench.inquiry.verdict() !== null);
  await bench.clock.advance(30_000);
  assert.is(bench.inquiry.verdict(), null);
  await bench.inquiry.stop();
});

it.run();
