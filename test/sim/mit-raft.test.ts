/** The 28 Raft scenarios of MIT's course 6.5840 (labs 3A–3D), under their names, as simulations. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { onMacrotask } from "./drain.ts";
import { electionMs, MitLab, type LabOptions } from "./mit-lab.ts";
import { type SimNode } from "./node.ts";

const it = suite("sim: MIT 6.5840");

/** Runs a scenario from several seeds; a failure names its seed. */
function scenario(
  name: string,
  options: Omit<LabOptions, "seed">,
  body: (lab: MitLab) => void,
): void {
  it(name, async () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      await onMacrotask(() => {
        const lab = new MitLab({ ...options, seed });
        try {
          body(lab);
        } catch (error) {
          const end = `${lab.cluster.trace.render()}\n${lab.cluster.describe()}`;
          throw new Error(`${name}, seed ${seed}\n${end}`, { cause: error });
        }
      });
    }
  });
}

let commands = 0;
const next = (): string => `command ${commands++}`;
const many = (count: number): readonly string[] => Array.from({ length: count }, next);

function othersThan(lab: MitLab, ...nodes: readonly SimNode[]): readonly SimNode[] {
  return lab.servers.filter((node) => !nodes.includes(node));
}

scenario("3A InitialElection: one leader, one term, and both stay", { servers: 3 }, (lab) => {
  lab.checkOneLeader();
  lab.pass(electionMs);
  const term = lab.checkTerms();
  lab.pass(2 * electionMs);
  assert.is(lab.checkTerms(), term);
  lab.checkOneLeader();
});

scenario(
  "3A ReElection: a new leader after a failure, none without a majority",
  { servers: 3 },
  (lab) => {
    const first = lab.checkOneLeader();
    lab.disconnect(first);
    const second = lab.checkOneLeader();
    assert.is.not(second, first);
    lab.connect(first);
    lab.pass(electionMs);
    assert.is(lab.checkOneLeader(), second, "the old leader follows");
    const third = othersThan(lab, second)[0] as SimNode;
    lab.disconnect(second, third);
    lab.pass(2 * electionMs);
    lab.checkNoLeader();
    lab.connect(third);
    lab.checkOneLeader();
    lab.connect(second);
    lab.checkOneLeader();
  },
);

scenario(
  "3A ManyElections: whoever is cut off, the majority has a leader",
  { servers: 7 },
  (lab) => {
    lab.checkOneLeader();
    for (let round = 0; round < 10; round += 1) {
      const cut = [0, 1, 2].map(() => lab.server(lab.random.below(7)));
      lab.disconnect(...cut);
      lab.checkOneLeader();
      lab.connect(...cut);
    }
    lab.checkOneLeader();
  },
);

scenario("3B BasicAgree: commands are agreed on in order", { servers: 3 }, (lab) => {
  const indices = [next(), next(), next()].map((command) => lab.one(command, 3));
  assert.equal(indices, [2, 3, 4], "behind the leader's noop");
});

scenario("3B RPCBytes: each command travels to each peer once", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const before = lab.cluster.payloadBytesSent;
  const size = 5000;
  for (let i = 0; i < 10; i += 1) lab.one(`${i}`.padEnd(size, "x"), 3);
  assert.is(lab.cluster.payloadBytesSent - before, 10 * size * 2);
});

scenario("3B FollowerFailure: goes on without one, stops without two", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const leader = lab.checkOneLeader();
  const [a, b] = othersThan(lab, leader) as [SimNode, SimNode];
  lab.disconnect(a);
  lab.one(next(), 2);
  lab.pass(electionMs);
  lab.one(next(), 2);
  lab.disconnect(b);
  const index = lab.propose(leader, next());
  lab.pass(2 * electionMs);
  assert.is(lab.appliedBy(index ?? 0), 0);
});

scenario("3B LeaderFailure: goes on after one leader, stops after two", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const first = lab.checkOneLeader();
  lab.disconnect(first);
  lab.one(next(), 2);
  const second = lab.checkOneLeader();
  lab.disconnect(second);
  const { commit } = lab.cluster.invariants;
  for (const node of lab.servers) lab.propose(node, next());
  lab.pass(2 * electionMs);
  assert.is(lab.cluster.invariants.commit, commit);
});

scenario("3B FailAgree: a follower that was away catches up", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const away = othersThan(lab, lab.checkOneLeader())[0] as SimNode;
  lab.disconnect(away);
  for (let i = 0; i < 4; i += 1) lab.one(next(), 2);
  lab.pass(electionMs);
  lab.connect(away);
  lab.one(next(), 3);
});

scenario("3B FailNoAgree: nothing is agreed while a majority is away", { servers: 5 }, (lab) => {
  lab.one(next(), 5);
  const leader = lab.checkOneLeader();
  const away = othersThan(lab, leader).slice(0, 3);
  lab.disconnect(...away);
  const index = lab.propose(leader, next());
  lab.pass(2 * electionMs);
  assert.is(lab.appliedBy(index ?? 0), 0);
  lab.connect(...away);
  lab.one(next(), 5);
});

scenario("3B ConcurrentStarts: commands of one moment are all agreed on", { servers: 3 }, (lab) => {
  const leader = lab.checkOneLeader();
  const wanted = many(5);
  const indices = wanted.map((command) => lab.propose(leader, command) ?? 0);
  lab.pass(electionMs);
  assert.equal(
    indices.map((index) => lab.committedText(index)),
    wanted,
  );
  assert.ok(indices.every((index) => lab.appliedBy(index) === 3));
});

scenario("3B Rejoin: what a cut-off leader appended is replaced", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const first = lab.checkOneLeader();
  lab.disconnect(first);
  lab.propose(first, ...many(3));
  lab.one(next(), 2);
  const second = lab.checkOneLeader();
  lab.disconnect(second);
  lab.connect(first);
  lab.one(next(), 2);
  lab.connect(second);
  lab.one(next(), 3);
});

scenario("3B Backup: long diverged logs come in line quickly", { servers: 5 }, (lab) => {
  lab.one(next(), 5);
  const first = lab.checkOneLeader();
  const [b, c, d, e] = othersThan(lab, first) as [SimNode, SimNode, SimNode, SimNode];
  lab.disconnect(c, d, e);
  lab.propose(first, ...many(50));
  lab.pass(electionMs / 2);
  lab.disconnect(first, b);
  lab.connect(c, d, e);
  for (let i = 0; i < 50; i += 1)
    lab.propose(lab.connectedLeader() ?? lab.checkOneLeader(), next());
  const second = lab.checkOneLeader();
  const other = [c, d, e].find((node) => node !== second) as SimNode;
  lab.disconnect(other);
  lab.propose(second, ...many(50));
  lab.pass(electionMs / 2);
  lab.disconnect(...lab.servers);
  lab.connect(first, b, other);
  for (const command of many(50)) lab.one(command, 3);
  lab.connect(...lab.servers);
  lab.one(next(), 5);
});

scenario(
  "3B Count: neither elections nor agreement nor idling takes many messages",
  { servers: 3 },
  (lab) => {
    lab.checkOneLeader();
    assert.ok(lab.cluster.messagesSent < 60, `${lab.cluster.messagesSent} for the election`);
    const leader = lab.checkOneLeader();
    let before = lab.cluster.messagesSent;
    lab.propose(leader, ...many(10));
    lab.pass(50);
    assert.ok(lab.cluster.messagesSent - before <= (10 + 1 + 3) * 3, "agreement on ten");
    before = lab.cluster.messagesSent;
    lab.pass(electionMs);
    assert.ok(lab.cluster.messagesSent - before <= 3 * 20, "one second of idling");
  },
);

scenario("3C Persist1: everybody restarts, one by one and all at once", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  lab.crash(...lab.servers);
  lab.start(...lab.servers);
  lab.one(next(), 3);
  for (const node of [lab.checkOneLeader(), lab.server(1)]) {
    lab.crash(node);
    lab.one(next(), 2);
    lab.start(node);
    lab.one(next(), 3);
  }
});

scenario("3C Persist2: restarts with changing majorities", { servers: 5 }, (lab) => {
  for (let round = 0; round < 5; round += 1) {
    lab.one(next(), 5);
    const at = lab.indexOf(lab.checkOneLeader());
    const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((i) => lab.server(at + i)) as [
      SimNode,
      SimNode,
      SimNode,
      SimNode,
      SimNode,
    ];
    lab.crash(b, c);
    lab.one(next(), 3);
    lab.crash(a, d, e);
    lab.start(b, c);
    lab.pass(electionMs);
    lab.start(d);
    lab.one(next(), 3);
    lab.start(e, a);
  }
  lab.one(next(), 5);
});

scenario("3C Persist3: a partitioned leader and a follower crash", { servers: 3 }, (lab) => {
  lab.one(next(), 3);
  const leader = lab.checkOneLeader();
  const [a, b] = othersThan(lab, leader) as [SimNode, SimNode];
  lab.disconnect(b);
  lab.one(next(), 2);
  lab.crash(leader, a);
  lab.connect(b);
  lab.start(leader);
  lab.one(next(), 2);
  lab.start(a);
  lab.one(next(), 3);
});

function figure8(lab: MitLab, rounds: number): void {
  lab.one(next(), 1);
  for (let round = 0; round < rounds; round += 1) {
    const leader = lab.connectedLeader();
    for (const node of lab.servers) lab.propose(node, next());
    lab.pass(lab.random.below(10) === 0 ? lab.random.below(electionMs / 2) : lab.random.below(13));
    if (leader !== null) lab.crash(leader);
    const up = lab.servers.filter((node) => node.process !== null);
    const down = lab.servers.filter((node) => node.process === null);
    if (up.length < 3) lab.start(down[lab.random.below(down.length)] as SimNode);
    else lab.pass(lab.random.below(60));
  }
  lab.start(...lab.servers);
  lab.one(next(), 5);
}

scenario(
  "3C Figure8: entries of older terms are not committed by counting",
  { servers: 5 },
  (lab) => {
    figure8(lab, 300);
  },
);

scenario(
  "3C UnreliableAgree: agreement over a bad network",
  { servers: 5, unreliable: true },
  (lab) => {
    for (let i = 0; i < 30; i += 1) {
      const leader = lab.connectedLeader();
      if (leader !== null) lab.propose(leader, ...many(4));
      lab.one(next(), 1);
    }
    lab.one(next(), 5);
  },
);

scenario(
  "3C Figure8Unreliable: the same with late and reordered messages",
  { servers: 5, unreliable: true },
  (lab) => {
    lab.one(next(), 1);
    const { network } = lab.cluster;
    network.profile = { ...network.profile, spikeMs: 2400, spikeChance: 0.3 };
    for (let round = 0; round < 200; round += 1) {
      for (const node of lab.servers) lab.propose(node, next());
      lab.pass(
        lab.random.below(10) === 0 ? lab.random.below(electionMs / 2) : lab.random.below(13),
      );
      const leader = lab.connectedLeader();
      if (leader !== null && lab.random.below(2) === 0) lab.disconnect(leader);
      const connected = lab.servers.filter((node) => lab.isConnected(node));
      if (connected.length < 3) lab.connect(lab.server(lab.random.below(5)));
    }
    network.profile = { ...network.profile, spikeChance: 0 };
    lab.connect(...lab.servers);
    lab.one(next(), 5);
  },
);

function churn(lab: MitLab): void {
  for (let round = 0; round < 20; round += 1) {
    const dice = lab.random;
    if (dice.below(1000) < 200) lab.disconnect(lab.server(dice.below(5)));
    if (dice.below(1000) < 500) {
      const node = lab.server(dice.below(5));
      node.start();
      lab.connect(node);
    }
    if (dice.below(1000) < 200) lab.crash(lab.server(dice.below(5)));
    for (const node of lab.servers) lab.propose(node, ...many(3));
    lab.pass((electionMs * 7) / 10);
  }
  const { network } = lab.cluster;
  network.profile = { ...network.profile, lossChance: 0 };
  lab.start(...lab.servers);
  lab.connect(...lab.servers);
  lab.one(next(), 5);
}

scenario("3C ReliableChurn: servers come and go", { servers: 5 }, churn);
scenario("3C UnreliableChurn: over a bad network too", { servers: 5, unreliable: true }, churn);

scenario(
  "3D SnapshotBasic: agreement goes on over snapshots",
  { servers: 3, snapshotEvery: 10 },
  (lab) => {
    for (const command of many(40)) lab.one(command, 3);
    assert.ok(lab.servers.every((node) => lab.snapshotOf(node) >= 20));
  },
);

/** A server misses so much that it needs the snapshot, again and again. */
function install(lab: MitLab, how: "disconnect" | "crash"): void {
  lab.one(next(), 3);
  let leader = lab.checkOneLeader();
  for (let round = 0; round < 8; round += 1) {
    const others = othersThan(lab, leader);
    const victim = round % 3 === 1 ? leader : (others[round % others.length] as SimNode);
    if (how === "disconnect") lab.disconnect(victim);
    else lab.crash(victim);
    lab.one(next(), 2);
    for (let i = 0; i < 3; i += 1) {
      const now = lab.connectedLeader();
      if (now !== null) lab.propose(now, ...many(10));
      lab.one(next(), 2);
    }
    lab.pass(100);
    if (how === "disconnect") lab.connect(victim);
    else lab.start(victim);
    lab.one(next(), 3);
    leader = lab.checkOneLeader();
  }
}

const small = { servers: 3, snapshotEvery: 10 };
const unreliable = { ...small, unreliable: true };
scenario("3D SnapshotInstall: a server that was away gets the snapshot", small, (lab) =>
  install(lab, "disconnect"),
);
scenario("3D SnapshotInstallUnreliable: over a bad network too", unreliable, (lab) =>
  install(lab, "disconnect"),
);
scenario("3D SnapshotInstallCrash: after a crash too", small, (lab) => install(lab, "crash"));
scenario("3D SnapshotInstallUnCrash: after a crash over a bad network too", unreliable, (lab) =>
  install(lab, "crash"),
);

scenario("3D SnapshotAllCrash: everybody restarts from its snapshot", small, (lab) => {
  for (let round = 0; round < 5; round += 1) {
    for (const command of many(6 + lab.random.below(10))) lab.one(command, 3);
    const { commit } = lab.cluster.invariants;
    lab.crash(...lab.servers);
    lab.pass(100);
    lab.start(...lab.servers);
    assert.ok(lab.one(next(), 3) > commit, "the log goes on where it was");
  }
});

scenario(
  "3D SnapshotInit: a restart right after a snapshot keeps what came before",
  { servers: 3, snapshotEvery: 5 },
  (lab) => {
    for (const command of many(10)) lab.one(command, 3);
    lab.crash(...lab.servers);
    lab.start(...lab.servers);
    lab.one(next(), 3);
    lab.crash(...lab.servers);
    lab.start(...lab.servers);
    lab.one(next(), 3);
  },
);

it.run();
