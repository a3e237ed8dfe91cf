/**
 * Five agents on hosts of their own, three cut off from two for a minute and a half. Both sides take 200 writes in
 * every class of records; then they meet, and every one of them is looked for, key by key.
 */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { delay, systemClock } from "../../src/base/clock.ts";
import { compareStates } from "../nemesis/convergence.ts";
import { whole } from "../nemesis/nemesis.ts";
import { conflictsOf, eventsOf, jobsOf, pastOf, placesOf } from "../nemesis/record-places.ts";
import {
  doomedVars,
  type Side,
  type Write,
  writesOf,
  writesPerKind,
} from "../nemesis/record-writes.ts";
import { SideLedger } from "../nemesis/side-ledger.ts";
import { keysOf, rotationsIn, SideMembers } from "../nemesis/side-members.ts";
import { parseJoinToken } from "../../src/p2p/join-token.ts";
import { gitRepository, type TestAgent } from "../support/agents.ts";
import { type Crowd, type Joined } from "../support/lab/crowd.ts";
import { Lab } from "../support/lab/lab.ts";
import { between } from "../support/lab/partitions.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { configured, type JobBody, jobEnded, runJob } from "../support/operate.ts";
import { until } from "../support/until.ts";

const it = suite("a split of three and two");
const splitMs = Number(process.env["MUSTER_TEST_SPLIT_SECONDS"] ?? 90) * 1000;
const silence = { survivor: { silence: "3s", cold: "4s" } };
/** Runs are what costs in the split: each verification of a node runs all of these, and they do nothing. */
const roles = ["one", "two", "three", "four", "five"];
/** Half of a side's writes about members lets one in, the other evicts one: half of those the other side evicts, too. */
const evictions = writesPerKind / 2;
const knownMembers = (evictions * 3) / 2;
/** Each takes two of these, and some seconds, as every member must have taken each. */
const rotationsLeast = 10;
/** This part of a side's jobs is carried out, the others are given up: 200 jobs and 200 runs a side. */
const worked = roles.length;

async function accepted(agent: TestAgent, method: string, route: string, body: object) {
  const answer = await agent.api(method, route, { body });
  if (answer.status >= 300) throw new Error(`${method} ${route}: ${answer.status} ${answer.text}`);
  return answer.json;
}

interface Known {
  /** Ids of tokens to revoke. */
  readonly tokens: readonly string[];
  /** Machines to evict. */
  readonly members: readonly Joined[];
  /** Lets many in. */
  readonly joinToken: string;
}

/** What both sides know when they part: variables to delete, tokens to revoke, nodes with a role to verify, members. */
async function prepare(lab: Lab, crowd: Crowd): Promise<Known> {
  const agent = lab.agent("n1");
  const manifest = `apiVersion: muster/v1\nroles:\n${roles.map(roleText).join("")}`;
  const quick = "#!/bin/sh\nexit 0\n";
  const files = { "muster.yaml": manifest, configure: quick, verify: quick, cleanup: quick };
  const url = await gitRepository(path.join(lab.cluster.folder, "repository"), files);
  await accepted(agent, "PATCH", "/v1/settings", silence);
  await accepted(agent, "PUT", "/v1/config/source", { url });
  await configured(agent);
  const job = await runJob(() => agent, { action: "commission", all: true, roles });
  assert.is(job.status, "succeeded", JSON.stringify(job.nodes));
  for (const key of doomedVars) await accepted(agent, "PUT", `/v1/vars/${key}`, { value: "old" });
  const tokens: string[] = [];
  for (let i = 0; i < (writesPerKind * 3) / 4; i += 1) {
    const made = await accepted(agent, "POST", "/v1/tokens", { kind: "join", name: `common-${i}` });
    tokens.push((made as { id: string }).id);
  }
  const body = { kind: "join", uses: 10 * writesPerKind };
  const { token: joinToken } = (await accepted(agent, "POST", "/v1/tokens", body)) as {
    token: string;
  };
  const members: Joined[] = [];
  for (let i = 0; i < knownMembers; i += 1) {
    members.push(await crowd.join(agent, joinToken, `common-member-${i}`));
  }
  await until({ what: "there are keys of gossip" }, async () => (await keysOf(agent)).epoch > 0);
  return { tokens, members, joinToken };
}

function roleText(name: string): string {
  const actions = ["configure", "verify", "cleanup"].map((action) => `    ${action}: ${action}\n`);
  return `  ${name}:\n    runner: script\n${actions.join("")}`;
}

/** One list of writes, spread over the split. */
async function writeAll(ledger: SideLedger, writes: readonly Write[]): Promise<void> {
  for (const write of writes) {
    await ledger.write(write);
    await delay(systemClock, (splitMs * 0.6) / writes.length);
  }
}

/** The runs of a job that verifies `node`, as ledgers tell them (`pastOf`). */
function runsOf(job: string, node: string): readonly string[] {
  return roles.map((role) => `${node} run ${job}/${node}/${role}/verify/1 succeeded`);
}

interface Work {
  readonly jobs: readonly string[];
  /** What the ledgers must tell of those that were carried out. */
  readonly runs: readonly string[];
}

/** Jobs on the side's own nodes: most are given up again, the others run. */
async function workOn(ledger: SideLedger): Promise<Work> {
  const { side } = ledger;
  const jobs: string[] = [];
  const runs: string[] = [];
  for (let i = 0; i < writesPerKind; i += 1) {
    const node = side.nodes[i % side.nodes.length] ?? "";
    const record = `job/${side.id}-${i}`;
    const common = { kind: "job", method: "POST", record, place: record, mark: null };
    const body = { action: "verify", nodes: [node], reason: `${side.id} ${i}` };
    const { id } = (await ledger.write({ ...common, route: "/v1/jobs", body })) as JobBody;
    jobs.push(id);
    if (i % worked === 0) runs.push(...runsOf(id, node));
    else await cancel(ledger, id);
    await delay(systemClock, (splitMs * 0.5) / writesPerKind);
  }
  return { jobs, runs };
}

/** Unless it has ended before. */
async function cancel({ agents }: SideLedger, id: string): Promise<void> {
  await until({ what: `job ${id} is cancelled`, everyMs: 250 }, async () => {
    const { status, text } = await (agents[0] as TestAgent).api("POST", `/v1/jobs/${id}/cancel`);
    if (status < 300 || status === 409) return true;
    throw new Error(text);
  });
}

/** Admissions and evictions in turns, and as many rotations of gossip's keys as there is time for. */
async function changeMembers(members: SideMembers, fated: readonly Joined[]): Promise<void> {
  for (const [i, one] of fated.entries()) {
    await members.admit(i);
    await members.evict(one);
    await members.rotate();
    await delay(systemClock, (splitMs * 0.5) / fated.length);
  }
}

interface Seen {
  readonly ledger: SideLedger;
  readonly members: SideMembers;
  /** Steps of rotations that the side's own agents tell of. */
  readonly rotations: readonly string[];
  readonly jobs: ReadonlyMap<string, JobBody>;
  readonly past: ReadonlySet<string>;
  readonly runs: readonly string[];
}

/** All of a side's writes, and what its own agents say afterwards of jobs and of the past. */
async function live(
  ledger: SideLedger,
  lists: readonly (readonly Write[])[],
  { members, fated }: { readonly members: SideMembers; readonly fated: readonly Joined[] },
): Promise<Seen> {
  const [work] = await Promise.all([
    workOn(ledger),
    changeMembers(members, fated),
    ...lists.map((list) => writeAll(ledger, list)),
  ]);
  const agent = ledger.agents[0] as TestAgent;
  for (const id of work.jobs) await jobEnded(() => agent, id);
  const mine = new Set(work.jobs);
  const jobs = [...(await jobsOf(agent))].filter(([id]) => mine.has(id));
  const past = await pastOf(agent, ledger.side.nodes);
  const rotations = rotationsIn(await eventsOf(agent));
  return { ledger, members, rotations, jobs: new Map(jobs), past, runs: work.runs };
}

it("loses no write of either side: each is in the state or in the journal, and in the events", async () => {
  await using lab = await Lab.start({ size: 5, spare: 2, args: ["--gossip-udp", "on"] });
  const { names } = lab;
  // The leader is on either side, by chance.
  const sides = [
    { id: "a", nodes: names.slice(0, 3), spare: "n6" },
    { id: "b", nodes: names.slice(3), spare: "n7" },
  ] as const satisfies readonly (Side & { readonly spare: string })[];
  await using crowdA = lab.crowd("n6");
  await using crowdB = lab.crowd("n7");
  const { tokens, members: known, joinToken: token } = await prepare(lab, crowdA);
  const common = { nodes: names, tokens, repository: `${lab.cluster.folder}/nowhere` };
  const cutAt = performance.now();
  const [hostsA, hostsB] = sides.map(({ nodes, spare }) => [...nodes, spare]);
  await lab.cut(between(hostsA ?? [], hostsB ?? []));
  const seen = await Promise.all(
    sides.map((side) => {
      const isA = side.id === "a";
      const agents = side.nodes.map((name) => lab.agent(name));
      const ledger = new SideLedger(side, agents);
      const members = new SideMembers(ledger, { crowd: isA ? crowdA : crowdB, token });
      const fated = isA ? known.slice(0, evictions) : known.slice(-evictions);
      return live(ledger, writesOf(side, common), { members, fated });
    }),
  );
  await delay(systemClock, Math.max(0, splitMs - (performance.now() - cutAt)));
  const epochs = await Promise.all(["n1", "n4"].map(async (name) => keysOf(lab.agent(name))));
  await lab.cut([]);
  await whole(lab);

  const agent = lab.agent("n4");
  await until({ what: "n4 has caught up", deadlineMs: 60_000 }, async () => {
    const { status } = await agent.api("GET", "/v1/vars?consistency=linearizable");
    return status === 200;
  });
  const [places, conflicts, jobs] = [
    await placesOf(agent),
    await conflictsOf(agent),
    await jobsOf(agent),
  ];
  const events = await eventsOf(agent);
  const past = await pastOf(agent, names);
  const [a, b] = seen.map(({ ledger }) => ledger);
  assert.ok(a !== undefined && b !== undefined);
  assert.equal(
    [...a.told].filter((told) => !told.includes("normal")),
    [],
    "three are a majority",
  );
  assert.ok(
    [...b.told].every((told) => told.includes("survivor")),
    "two go on as survivors",
  );
  for (const { ledger, jobs: before, past: pastBefore, runs, members, rotations } of seen) {
    const { side } = ledger;
    const won = side.id === "a";
    assert.is(ledger.acknowledged.length, 8 * writesPerKind + evictions);
    assert.is(members.admitted.length + members.evicted.length, writesPerKind);
    assert.is(before.size, writesPerKind);
    assert.is(runs.length, writesPerKind);
    const lost = [...ledger.lost(places, conflicts), ...members.lost(places)];
    assert.equal(lost, [], `lost of side ${side.id}`);
    const unheard = [...ledger.unheard(events, won), ...members.unheard(events, won)];
    assert.equal(unheard, [], `without event, of ${side.id}`);
    const lostJobs = [...before].filter(([id, { status }]) => jobs.get(id)?.status !== status);
    assert.equal(lostJobs, [], `jobs of side ${side.id}`);
    const neverRun = runs.filter((run) => !pastBefore.has(run));
    assert.equal(neverRun, [], `not run on side ${side.id}`);
    const forgotten = [...pastBefore].filter((line) => !past.has(line));
    assert.equal(forgotten, [], `history and ledger of side ${side.id}`);
    assert.ok(rotations.length >= rotationsLeast, `${rotations.length} steps of rotations`);
    const rotated = new Set(rotationsIn(events));
    const unknown = rotations.filter((line) => !rotated.has(line));
    assert.equal(unknown, [], `rotations of side ${side.id}`);
  }
  await assertStandings(agent, token, [
    { crowd: crowdA, standing: "admitted", machines: seen[0]?.members.admitted ?? [] },
    { crowd: crowdB, standing: "admitted", machines: seen[1]?.members.admitted ?? [] },
    { crowd: crowdA, standing: "evicted", machines: known },
  ]);
  await assertKeys(lab, Math.max(...epochs.map(({ epoch }) => epoch)));
  await assertOnce(lab, [a, b]);
  for (const { dataDir } of b.agents) {
    const copies = await readdir(path.join(dataDir, "archive"));
    assert.match(copies.join(), /^2-[0-9a-f]{32}\.jsonl\.gz$/);
  }
  assert.equal(await compareStates(lab.agents, 0), []);
});

interface Verdict {
  readonly crowd: Crowd;
  readonly standing: string;
  readonly machines: readonly Joined[];
}

/** Every machine asks an agent of the losing side what it is: a node that is listed does not make a member yet. */
async function assertStandings(
  agent: TestAgent,
  token: string,
  verdicts: readonly Verdict[],
): Promise<void> {
  const { clusterId } = parseJoinToken(token);
  const { id } = await agent.get<{ id: string }>(`/v1/nodes/${agent.name}`);
  for (const { crowd, standing, machines } of verdicts) {
    assert.ok(machines.length > 0);
    for (const { peer, node } of machines) {
      // An agent takes 32 such questions a second.
      const told = await until({ what: `${agent.name} answers ${node}` }, () =>
        crowd.standing(peer, { id, agent, clusterId }),
      );
      assert.is(told, standing, node);
    }
  }
}

/** All have the keys of one side, or later ones, and open each other's datagrams. */
async function assertKeys(lab: Lab, leastEpoch: number): Promise<void> {
  await until({ what: "everybody seals with one key", deadlineMs: 60_000 }, async () => {
    const keys = await Promise.all(lab.agents.map(keysOf));
    const [first] = keys;
    const isOne = keys.every(
      ({ sealing, epoch, rotation }) =>
        rotation === null && sealing === first?.sealing && epoch >= leastEpoch,
    );
    if (isOne) return true;
    throw new Error(JSON.stringify(keys));
  });
  for (const agent of lab.agents) {
    await until({ what: `${agent.name} hears all by datagrams`, deadlineMs: 60_000 }, async () => {
      const members = await agent.get<readonly { name: string; lane: string }[]>("/v1/members");
      const others = members.filter(({ name }) => lab.names.includes(name) && name !== agent.name);
      if (others.length === 4 && others.every(({ lane }) => lane === "udp")) return true;
      throw new Error(JSON.stringify(members));
    });
  }
}

/** A client that repeats a request of the split, on the other side, gets its answer and no second effect. */
async function assertOnce(lab: Lab, ledgers: readonly SideLedger[]): Promise<void> {
  const before = await placesOf(lab.agent("n1"));
  for (const { side, acknowledged } of ledgers) {
    const others = lab.agents.filter(({ name }) => !side.nodes.includes(name));
    const again = new SideLedger(side, others);
    for (const { write, key } of acknowledged.filter((_, i) => i % 40 === 0)) {
      const { status, text } = await again.send(write, key);
      assert.ok(status < 300 || text.includes("TOKEN_SHOWN"), `${write.route}: ${status} ${text}`);
    }
  }
  assert.equal(await placesOf(lab.agent("n1")), before);
}

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip a split of three and two: ${reason}\n`);
  const skipped = suite("a split of three and two");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
