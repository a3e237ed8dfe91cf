import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Packr } from "msgpackr";
import {
  admitEnvelope,
  decodeEnvelope,
  encodeEnvelope,
  sentAt,
  stampEnvelope,
} from "../../../src/inventory/codec.ts";
import { type Command, type Envelope, schemaVersion } from "../../../src/inventory/commands.ts";
import {
  Inventory,
  admit,
  cluster,
  facts,
  finished,
  jobCreate,
  nodeFinish,
  peer,
  run,
  runFinish,
  tokenCreate,
} from "../../support/inventory.ts";

const it = suite("inventory codec");

const any: Omit<Envelope, "command"> = {
  v: 1,
  at: 1_700_000_000_000,
  by: "operator",
  origin: { agent: peer("n1"), boot: "0001", seq: 7, acked: 6 },
  idempotency: { key: "k", digest: "d" },
};
const refresh: Command = { type: "config.refresh" };

function pack(value: unknown): Uint8Array {
  return new Packr({ useRecords: false }).pack(value);
}

function refusal(value: unknown): string {
  const decoded = decodeEnvelope(pack(value));
  return decoded.ok ? "taken" : decoded.code;
}

it("gives back every kind of command as it was", () => {
  const commands: readonly Command[] = [
    {
      type: "cluster.create",
      cluster: { id: "c", name: "n", user: null },
      member: { id: peer("a"), name: "a", address: "x" },
    },
    admit("n2"),
    { type: "node.reachability", changes: [{ id: peer("a"), reachability: "left", address: "x" }] },
    { type: "node.facts", id: peer("a"), facts, address: "x" },
    {
      type: "node.patch",
      node: "a",
      labels: { a: null },
      roles: ["r"],
      vars: { a: [1, null] },
      ifVersion: 3,
    },
    { type: "node.forget", node: "a", force: true },
    { type: "var.put", key: "a", value: null },
    { type: "var.delete", key: "a", ifVersion: 0 },
    { type: "vars.patch", patch: { a: null, b: { c: 1.5 } } },
    { type: "role.put", role: "a", vars: {} },
    { type: "role.delete", role: "a" },
    { type: "settings.put", settings: { autoCommission: null, repair: "off" } },
    tokenCreate(),
    { type: "token.revoke", id: "a" },
    { type: "config.source", source: { url: "u", ref: null } },
    refresh,
    {
      type: "config.fetched",
      request: 1,
      source: { url: "u", ref: "r" },
      result: { ok: false, code: "c", message: "m" },
    },
    jobCreate("j", "upgrade", ["a"]),
    { type: "job.start", job: "j" },
    { type: "job.node.begin", job: "j", node: "a", phase: null, roles: [] },
    { type: "run.begin", job: "j", node: "a", run: run("j", "a") },
    runFinish("j", "a", finished(run("j", "a"))),
    { type: "run.transcripts", node: "a", run: "r", peers: [peer("a")] },
    nodeFinish("j", "a", { revision: null }),
    { type: "job.finish", job: "j", status: "rolled-back" },
    { type: "job.cancel", job: "j" },
    { type: "job.pause", job: "j" },
    { type: "job.resume", job: "j" },
    { type: "job.retry", job: "j", ifVersion: 9 },
  ];
  for (const command of commands) {
    const decoded = decodeEnvelope(encodeEnvelope({ ...any, command }));
    assert.ok(decoded.ok, decoded.ok ? "" : `${command.type}: ${decoded.message}`);
    assert.equal(decoded.envelope, { ...any, command });
  }
});

it("takes an undefined field for an absent one", () => {
  const bytes = encodeEnvelope({ ...any, command: nodeFinish("j", "a", { revision: undefined }) });
  const decoded = decodeEnvelope(bytes);
  assert.ok(decoded.ok);
  assert.not.ok("revision" in decoded.envelope.command);
});

it("refuses what is no command, whatever it is", () => {
  const junk: readonly unknown[] = [
    null,
    7,
    "text",
    [],
    {},
    { ...any },
    { ...any, command: null },
    { ...any, command: {} },
    { ...any, command: { type: "no.such" } },
    { ...any, command: { type: "constructor" } },
    { ...any, command: { type: "__proto__" } },
    { ...any, v: 0, command: refresh },
    { ...any, v: "1", command: refresh },
    { ...any, at: -1, command: refresh },
    { ...any, at: Number.NaN, command: refresh },
    { ...any, by: 5, command: refresh },
    { ...any, origin: {}, command: refresh },
    { ...any, idempotency: { key: "k" }, command: refresh },
  ];
  for (const value of junk) assert.is(refusal(value), "UNKNOWN_COMMAND", JSON.stringify(value));
});

it("refuses commands whose fields have another shape", () => {
  const bad: readonly object[] = [
    { type: "var.put", key: "a" },
    { type: "var.put", key: "a", value: Number.POSITIVE_INFINITY },
    { type: "var.put", key: "a", value: new Date(0) },
    { type: "var.put", key: "a", value: 1, ifVersion: -1 },
    { type: "var.put", key: "a", value: 1, ifVersion: 1.5 },
    { type: "node.patch", node: "a", labels: { a: 1 } },
    { type: "node.patch", node: "a", roles: "web" },
    { type: "node.reachability", changes: [{ id: "a", reachability: "dead" }] },
    { type: "node.facts", id: "a", address: "x", facts: { ...facts, cpu: null } },
    { ...jobCreate("j", "upgrade", ["a"]), action: "explode" },
    { ...jobCreate("j", "upgrade", ["a"]), strategy: { batch: 1 } },
    { ...nodeFinish("j", "a"), status: "running" },
    { type: "config.fetched", request: 1, source: { url: "u", ref: null }, result: { ok: true } },
  ];
  for (const command of bad) {
    assert.is(refusal({ ...any, command }), "UNKNOWN_COMMAND", JSON.stringify(command));
  }
});

it("refuses the types that only msgpack extensions have", () => {
  const packr = new Packr({ useRecords: false, moreTypes: true, structuredClone: true });
  for (const value of [new Set([1]), /x/, new Error("x"), 10n ** 17n, new Uint8Array(3)]) {
    const command = { type: "var.put", key: "a", value };
    const decoded = decodeEnvelope(packr.pack({ ...any, command }));
    assert.is(decoded.ok, false, String(value));
  }
});

it("stamps a request with the leader's time, and leaves the request itself as it is", () => {
  const late = Date.UTC(2100, 0);
  for (const at of [any.at, Date.UTC(2026, 0)]) {
    const request = encodeEnvelope({ ...any, at, command: refresh });
    const before = Buffer.from(request);
    const expected = { ok: true, envelope: { ...any, at: late, command: refresh } };
    assert.equal(decodeEnvelope(stampEnvelope(request, late)), expected);
    assert.equal(decodeEnvelope(admitEnvelope(request, late)), expected);
    assert.equal(Buffer.from(request), before);
  }
});

it("leaves nothing on the bytes that it decodes: the log keeps them", () => {
  const bytes = encodeEnvelope({ ...any, command: refresh });
  const before = Reflect.ownKeys(bytes);
  assert.ok(decodeEnvelope(bytes).ok);
  assert.equal(Reflect.ownKeys(bytes), before);
});

it("finds the time of a request without decoding it", () => {
  for (const origin of [any.origin, null]) {
    const { at, by, idempotency } = any;
    const v = schemaVersion;
    const request = encodeEnvelope({ v, at, by, origin, idempotency, command: refresh });
    assert.is(sentAt(request), any.at);
    assert.is(sentAt(stampEnvelope(request, any.at + 1)), any.at + 1);
    assert.is(stampEnvelope(request, 1.5).byteLength, request.byteLength, "not encoded anew");
  }
  assert.is(sentAt(pack({ at: any.at })), null);
});

it("stamps what another codec wrote in another order, too", () => {
  const { v, at, ...rest } = { ...any, command: refresh };
  const stamped = decodeEnvelope(stampEnvelope(pack({ ...rest, at, v }), 42));
  assert.equal(stamped, { ok: true, envelope: { ...any, at: 42, command: refresh } });
});

it("admits nothing from another agent that it cannot apply", () => {
  const refused = (value: unknown, code: string) =>
    assert.throws(
      () => admitEnvelope(pack(value), 42),
      (error: { code: string }) => error.code === code,
    );
  refused({ ...any, command: { type: "no.such" } }, "COMMAND_INVALID");
  refused({ ...any, v: schemaVersion + 1, command: refresh }, "SCHEMA_TOO_NEW");
});

it("names the field that is wrong", () => {
  const command = { type: "node.patch", node: "a", labels: { rack: 1 } };
  const decoded = decodeEnvelope(pack({ ...any, command }));
  assert.match(decoded.ok ? "" : decoded.message, /command\.labels\.rack is not a text/);
});

it("survives hostile bytes", () => {
  const deep = Buffer.concat([Buffer.alloc(100_000, 0x91), Buffer.from([0xc0])]);
  const hostile = [
    Buffer.alloc(0),
    Buffer.from([0xc1]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff]),
    deep,
    encodeEnvelope({ ...any, command: refresh }).subarray(0, 20),
    Buffer.concat([encodeEnvelope({ ...any, command: refresh }), Buffer.from([1])]),
  ];
  for (const bytes of hostile) {
    const decoded = decodeEnvelope(bytes);
    assert.is(decoded.ok ? "taken" : decoded.code, "UNKNOWN_COMMAND");
  }
});

it("bounds how deep a value may be nested", () => {
  let value: unknown = 1;
  for (let i = 0; i < 70; i += 1) value = [value];
  assert.is(refusal({ ...any, command: { type: "var.put", key: "a", value } }), "UNKNOWN_COMMAND");
});

it("answers a committed entry that is no command alike everywhere, and changes nothing", () => {
  const inventory = cluster("n1");
  const before = inventory.machine.hash();
  const result = inventory.bytes(Buffer.from("garbage"));
  assert.is(result.ok ? "" : result.code, "UNKNOWN_COMMAND");
  assert.is(inventory.machine.hash(), before);
  assert.is(inventory.machine.appliedIndex, result.index);
});

it("stops at an entry of a newer schema instead of going another way than newer agents", () => {
  const inventory = cluster("n1");
  const index = inventory.machine.appliedIndex;
  const newer = pack({ ...any, v: schemaVersion + 1, command: { type: "of.tomorrow" } });
  assert.throws(
    () => inventory.bytes(newer),
    (error: { code: string }) => error.code === "SCHEMA_TOO_NEW",
  );
  assert.is(inventory.machine.appliedIndex, index);
});

it("reads what agents of an earlier schema wrote", () => {
  const at = (v: number): unknown => decodeEnvelope(pack({ ...any, v, command: refresh })).ok;
  assert.equal(
    [0, 1, schemaVersion, schemaVersion + 1, 1.5].map((v) => at(v)),
    [false, true, true, false, false],
  );
});

it("applies entries that carry no command as nothing", () => {
  const { machine } = new Inventory();
  const data = new Uint8Array();
  assert.equal(machine.apply([{ index: 1, term: 1, type: 0, data }]), [null]);
  assert.is(machine.appliedIndex, 1);
  assert.throws(() => machine.apply([{ index: 3, term: 1, type: 0, data }]), /without a gap/);
});

it.run();
