/** Arbitrary commands over a few names, so that they meet: most of them legal now and then. */
import fc from "fast-check";
import { type Command, type Envelope } from "../../src/inventory/commands.ts";
import { conditionTypes } from "../../src/inventory/conditions.ts";
import { jobActions, phases, reachabilities } from "../../src/inventory/records.ts";
import {
  commit,
  facts,
  finished,
  jobCreate,
  manifest,
  peer,
  run,
  tokenCreate,
} from "./inventory.ts";

const names = ["n1", "n2", "n3"];
const name = fc.constantFrom(...names);
const id = fc.constantFrom("n1", "n2", "n3", "x1", "x2").map(peer);
const job = fc.constantFrom("j1", "j2", "j3", "j4");
const role = fc.constantFrom("base", "web");
const rolesOf = fc.uniqueArray(role, { maxLength: 2 });
const ifVersion = fc.option(fc.nat({ max: 60 }), { nil: undefined });
const key = fc.constantFrom("a", "b", "bad key");
const json = fc.oneof(
  fc.constant(null),
  fc.nat(),
  fc.constantFrom("x", "y"),
  fc.record({ z: fc.nat() }),
);
const source = fc.constantFrom({ url: "file:///repo", ref: null }, { url: "other", ref: "main" });
const targets = fc.uniqueArray(name, { minLength: 1, maxLength: 3 });
const oneRun = fc
  .record({
    job,
    node: name,
    role,
    action: fc.constantFrom("configure", "verify", "cleanup"),
    attempt: fc.nat({ max: 2 }),
  })
  .map(({ job: owner, node, ...ref }) => ({ job: owner, node, run: run(owner, node, ref) }));

function expecting(
  command: Extract<Command, { readonly ifVersion?: number }>,
  version: number | undefined,
): Command {
  return version === undefined ? command : { ...command, ifVersion: version };
}

const nodeCommand: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ id, name })
    .map((who): Command => ({ type: "member.admit", ...who, address: "a:1", token: "t" })),
  fc
    .array(fc.record({ id, reachability: fc.constantFrom(...reachabilities) }), { maxLength: 3 })
    .map((changes): Command => ({ type: "node.reachability", changes })),
  fc.record({ id, kernel: fc.constantFrom("1", "2") }).map(
    ({ id: who, kernel }): Command => ({
      type: "node.facts",
      id: who,
      address: "b:1",
      facts: { ...facts, kernel },
    }),
  ),
  fc
    .record({ id, damage: fc.constantFrom(null, "a hole") })
    .map((log): Command => ({ type: "node.log", ...log })),
  fc
    .record({ node: name, roles: rolesOf, label: fc.constantFrom(null, "r1"), version: ifVersion })
    .map(({ node, roles, label, version }) =>
      expecting({ type: "node.patch", node, roles, labels: { rack: label } }, version),
    ),
  fc
    .record({ node: name, force: fc.boolean() })
    .map((body): Command => ({ type: "node.forget", ...body })),
);

const dataCommand: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ key, value: json, version: ifVersion })
    .map(({ version, ...body }) => expecting({ type: "var.put", ...body }, version)),
  fc.record({ key }).map((body): Command => ({ type: "var.delete", ...body })),
  fc.dictionary(key, json, { maxKeys: 2 }).map((patch): Command => ({ type: "vars.patch", patch })),
  role.map((which): Command => ({ type: "role.put", role: which, vars: { a: 1 } })),
  role.map((which): Command => ({ type: "role.delete", role: which })),
  fc.constantFrom("t", "u").map((token) => tokenCreate({ id: token, uses: 2, ttlMs: 5000 })),
  fc.constantFrom("t", "u").map((token): Command => ({ type: "token.revoke", id: token })),
  source.map((from): Command => ({ type: "config.source", source: from })),
  fc.constant({ type: "config.refresh" } as const),
  fc
    .record({ from: source, revision: fc.constantFrom(commit, "r2"), request: fc.nat({ max: 3 }) })
    .map(
      ({ from, revision, request }): Command => ({
        type: "config.fetched",
        request,
        source: from,
        result: {
          ok: true,
          commit: revision,
          bundle: "00".repeat(32),
          bundleBytes: 1,
          manifest,
          by: peer("n1"),
        },
      }),
    ),
);

const jobCommand: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ job, action: fc.constantFrom(...jobActions), targets })
    .map((body) => jobCreate(body.job, body.action, body.targets)),
  fc.record({
    type: fc.constantFrom("job.start", "job.cancel", "job.pause", "job.resume", "job.retry"),
    job,
  }),
  fc.record({
    type: fc.constant("job.finish" as const),
    job,
    status: fc.constantFrom("succeeded", "failed", "cancelled"),
  }),
);

const workCommand: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ job, node: name, phase: fc.option(fc.constantFrom(...phases)), roles: rolesOf })
    .map((body): Command => ({ type: "job.node.begin", ...body })),
  oneRun.map((body): Command => ({ type: "run.begin", ...body })),
  fc.tuple(oneRun, fc.constantFrom("succeeded", "failed", "lost")).map(
    ([{ job: owner, node, run: current }, outcome]): Command => ({
      type: "run.finish",
      job: owner,
      node,
      result: finished(current, { outcome }),
      vars: { a: 1 },
      varsDigest: "d",
      transcripts: [],
    }),
  ),
  fc
    .record({
      job,
      node: name,
      status: fc.constantFrom("succeeded", "failed", "lost", "cancelled"),
      phase: fc.option(fc.constantFrom(...phases)),
      condition: fc.option(
        fc.record({
          type: fc.constantFrom(...conditionTypes),
          status: fc.constantFrom("True", "Broken", "False"),
          reason: fc.constant("r"),
          message: fc.constant(""),
        }),
      ),
    })
    .map(
      (body): Command => ({
        type: "job.node.finish",
        step: null,
        exitCode: 0,
        message: "",
        revision: undefined,
        appliedRoles: null,
        ...body,
      }),
    ),
);

const command = fc.oneof(
  { arbitrary: nodeCommand, weight: 3 },
  { arbitrary: dataCommand, weight: 2 },
  { arbitrary: jobCommand, weight: 4 },
  { arbitrary: workCommand, weight: 6 },
);

/** Envelopes as a careless client would send them: repeated numbers, reused keys, time that jumps. */
export const envelope: fc.Arbitrary<Envelope> = fc.record({
  v: fc.constant(1),
  at: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_010_000 }),
  by: fc.constantFrom("operator", "controller"),
  origin: fc.option(
    fc.record({
      agent: id,
      boot: fc.constantFrom("1", "2"),
      seq: fc.nat({ max: 40 }),
      acked: fc.nat({ max: 10 }),
    }),
    { freq: 3 },
  ),
  idempotency: fc.option(
    fc.record({ key: fc.constantFrom("k1", "k2", "k3"), digest: fc.constantFrom("d1", "d2") }),
    { freq: 2 },
  ),
  command,
});
