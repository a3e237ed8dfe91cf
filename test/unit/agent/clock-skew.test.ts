import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asPeerId } from "../../../src/base/ids.ts";
import { ClockSkew } from "../../../src/agent/clock-skew.ts";
import { encodeEnvelope, sentAt } from "../../../src/inventory/codec.ts";
import { schemaVersion } from "../../../src/inventory/commands.ts";

const it = suite("agent/clock-skew");

function requestOf(at: number): Uint8Array {
  return encodeEnvelope({
    v: schemaVersion,
    at,
    by: "n2",
    origin: { agent: asPeerId("12D3KooWn2"), boot: "000000000001", seq: 1, acked: 0 },
    idempotency: null,
    command: { type: "var.put", key: "a", value: 1 },
  });
}

function bench() {
  const lines: {
    readonly agent?: unknown;
    readonly aheadMs?: unknown;
    readonly count?: unknown;
  }[] = [];
  const now = { wall: 1_800_000_000_000, monotonic: 0 };
  const skew = new ClockSkew({
    clock: { wallMs: () => now.wall, monotonicMs: () => now.monotonic },
    logger: { warn: (data) => lines.push(data) },
  });
  return { lines, now, skew };
}

it("says whose clock differs from the leader's, and by how much", () => {
  const { skew, lines, now } = bench();
  for (const offset of [0, 59_000, -59_000]) skew.note(requestOf(now.wall + offset));
  assert.equal(lines, []);
  skew.note(requestOf(now.wall - 90_000_000));
  assert.equal(lines, [{ agent: "12D3KooWn2", aheadMs: -90_000_000, count: 1 }]);
});

it("says so once in ten minutes, with how often", () => {
  const { skew, lines, now } = bench();
  for (let second = 0; second <= 600; second += 1) {
    now.monotonic = second * 1000;
    skew.note(requestOf(now.wall + 3_600_000));
  }
  assert.equal(
    lines.map(({ count }) => count),
    [1, 600],
  );
});

it("passes over what is no envelope of this version", () => {
  const { skew, lines } = bench();
  for (const bytes of [new Uint8Array(0), new Uint8Array(40), requestOf(1).subarray(0, 12)]) {
    assert.is(sentAt(bytes), null);
    skew.note(bytes);
  }
  assert.equal(lines, []);
});

it.run();
