/** The writer's place in the exactly-once window, when many writes are under way and end in any order. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { InventoryWriter, writeTimeoutMs } from "../../../src/agent/writer.ts";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { type Applied } from "../../../src/consensus/driver/api.ts";
import { bootstrapGeneration } from "../../../src/consensus/lineage/generation.ts";
import { decodeEnvelope } from "../../../src/inventory/codec.ts";
import { type CommandResult, type Envelope } from "../../../src/inventory/commands.ts";
import { peer } from "../../support/inventory.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent writer");
const command = { type: "token.revoke", id: "t" } as const;

interface Sent {
  readonly envelope: Envelope;
  readonly timeoutMs: number;
  readonly answer: () => void;
  readonly fail: (error: Error) => void;
  readonly requireFit: () => void;
}

class Bench {
  readonly sent: Sent[] = [];
  readonly clock = new VirtualClock();
  writtenIn: (index: number) => string = () => "g1";
  readonly writer = new InventoryWriter(
    { agent: peer("n1"), starts: 7 },
    {
      clock: this.clock,
      submit: (bytes, timeoutMs, requireFit) => this.#submit(bytes, timeoutMs, requireFit),
      writtenIn: (index) => this.writtenIn(index),
    },
  );

  write(): Promise<CommandResult> {
    return this.writer.submit(command, { by: "operator" });
  }

  origin(at: number): NonNullable<Envelope["origin"]> {
    const origin = this.sent[at]?.envelope.origin ?? null;
    if (origin === null) throw new Error(`no write ${at}`);
    return origin;
  }

  #submit(
    bytes: Uint8Array,
    timeoutMs: number,
    requireFit: () => void,
  ): Promise<Applied<CommandResult>> {
    const decoded = decodeEnvelope(bytes);
    if (!decoded.ok) throw new Error("not an envelope");
    const { promise, resolve, reject } = Promise.withResolvers<Applied<CommandResult>>();
    const result: CommandResult = { ok: true, index: 1, value: null };
    const answer = (): void => resolve({ index: 1, term: 1, result });
    this.sent.push({ envelope: decoded.envelope, timeoutMs, answer, fail: reject, requireFit });
    return promise;
  }
}

it("numbers writes from 1, and tells agent, start and time", async () => {
  const bench = new Bench();
  const write = bench.write();
  bench.sent[0]?.answer();
  assert.equal(await write, { ok: true, index: 1, value: null });
  const boot = "000000000007";
  assert.equal(bench.origin(0), { agent: peer("n1"), boot, seq: 1, acked: 0 });
  assert.is(bench.sent[0]?.envelope.at, bench.clock.wallMs());
  assert.is(bench.sent[0]?.envelope.by, "operator");
  assert.is(bench.sent[0]?.timeoutMs, writeTimeoutMs);
});

it("makes later starts sort after earlier ones as texts", async () => {
  const boots: string[] = [];
  for (const starts of [9, 10, 100]) {
    const submit = async (bytes: Uint8Array): Promise<Applied<CommandResult>> => {
      const decoded = decodeEnvelope(bytes);
      boots.push(decoded.ok ? (decoded.envelope.origin?.boot ?? "") : "");
      return { index: 1, term: 1, result: { ok: true, index: 1, value: null } };
    };
    const writer = new InventoryWriter(
      { agent: peer("n1"), starts },
      { clock: new VirtualClock(), submit, writtenIn: () => "g1" },
    );
    await writer.submit(command, { by: "x" });
  }
  assert.equal(boots, [...boots].sort());
});

it("gives up no number while an earlier write is under way, whatever later ones do", async () => {
  const bench = new Bench();
  const writes = [bench.write(), bench.write(), bench.write()];
  bench.sent[1]?.answer();
  bench.sent[2]?.answer();
  await Promise.all(writes.slice(1));
  const fourth = bench.write();
  assert.is(bench.origin(3).acked, 0, "write 1 may still be tried again");
  bench.sent[0]?.answer();
  await writes[0];
  const fifth = bench.write();
  assert.is(bench.origin(4).acked, 3);
  bench.sent[3]?.answer();
  bench.sent[4]?.answer();
  await Promise.all([fourth, fifth]);
});

it("lets no version of a history that was left be compared in another", async () => {
  const bench = new Bench();
  const conditional = { ...command, ifVersion: 7 };
  const write = bench.writer.submit(conditional, { by: "operator" });
  const other = bench.write();
  const [sent, unconditional] = bench.sent;
  sent?.requireFit();
  bench.writtenIn = (index) => (index > 5 ? "g2" : "g1");
  assert.throws(
    () => sent?.requireFit(),
    (error: unknown) => errorCode(error) === "GENERATION_SUPERSEDED",
  );
  unconditional?.requireFit();
  const shared = bench.writer.submit({ ...command, ifVersion: 5 }, { by: "operator" });
  bench.writtenIn = (index) => (index > 5 ? "g3" : "g1");
  bench.sent[2]?.requireFit();
  for (const { answer } of bench.sent) answer();
  await Promise.all([write, other, shared]);
});

it("tells no other history how a generation of this one began", async () => {
  const bench = new Bench();
  bench.writtenIn = (index) => (index > 5 ? "g2" : "g1");
  const fork = { forkIndex: 5, legitCommit: 5, kind: "forced-auto" } as const;
  const generation = { ...bootstrapGeneration("c"), ...fork, n: 2, id: "ab".repeat(16) };
  const begin = { type: "generation.begin", generation, evidence: [] } as const;
  const write = bench.writer.submit(begin, { by: "controller" });
  const [sent] = bench.sent;
  sent?.requireFit();
  bench.writtenIn = () => "g1";
  assert.throws(
    () => sent?.requireFit(),
    (error: unknown) => errorCode(error) === "GENERATION_SUPERSEDED",
  );
  sent?.answer();
  await write;
});

it("counts a failed write as done with", async () => {
  const bench = new Bench();
  const failed = bench.write();
  bench.sent[0]?.fail(new AgentError("UNKNOWN_OUTCOME", "lost"));
  assert.is(errorCode(await failed.catch((error: unknown) => error)), "UNKNOWN_OUTCOME");
  void bench.write();
  assert.equal([bench.origin(1).seq, bench.origin(1).acked], [2, 1]);
});

it("never claims a write that is under way, in any interleaving, and numbers without gaps", async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = seededRandom(seed);
    const bench = new Bench();
    const open = new Map<number, Promise<unknown>>();
    for (let step = 0; step < 60; step += 1) {
      if (open.size === 0 || random.below(2) === 0) {
        const at = bench.sent.length;
        const write = bench.write().catch(() => undefined);
        const { seq, acked } = bench.origin(at);
        assert.is(seq, at + 1);
        const oldest = Math.min(seq, ...[...open.keys()].map((one) => one + 1));
        assert.is(acked, oldest - 1, `seed ${seed}, write ${seq}`);
        open.set(at, write);
      } else {
        const ats = [...open.keys()];
        const at = ats[random.below(ats.length)] ?? 0;
        if (random.below(4) === 0) bench.sent[at]?.fail(new AgentError("BUSY", ""));
        else bench.sent[at]?.answer();
        await open.get(at);
        open.delete(at);
      }
    }
  }
});

it.run();
