/** One member of the propose experiment: mesh, Raft on disk, inventory; no API, no gossip. Driven over IPC. */
import path from "node:path";
import process from "node:process";
import { systemClock } from "../src/base/clock.ts";
import { asPeerId } from "../src/base/ids.ts";
import { silentLogger } from "../src/base/logger.ts";
import { systemRandom } from "../src/base/random.ts";
import { Slowness } from "../src/base/slowness.ts";
import { simpleConfiguration } from "../src/consensus/core/configuration.ts";
import { defaultCoreOptions } from "../src/consensus/core/options.ts";
import { createCore } from "../src/consensus/core/raft.ts";
import { type ConsensusNode } from "../src/consensus/driver/api.ts";
import { createConsensusNode } from "../src/consensus/driver/driver.ts";
import { defaultDriverOptions } from "../src/consensus/driver/options.ts";
import { immediateScheduler } from "../src/consensus/driver/scheduler.ts";
import { bootstrapLineage } from "../src/consensus/lineage/generation.ts";
import { defaultLevelLogOptions, LevelLogStore } from "../src/consensus/storage/level-log.ts";
import { defaultMaxSnapshotBytes, SnapshotFiles } from "../src/consensus/storage/snapshot-files.ts";
import { InventoryWriter } from "../src/agent/writer.ts";
import { type CommandResult } from "../src/inventory/commands.ts";
import { InventoryStateMachine } from "../src/inventory/state-machine.ts";
import { MeshHost } from "../src/p2p/host.ts";
import { ephemeralIdentity } from "../src/p2p/identity.ts";
import { MeshRaftTransport } from "../src/p2p/raft-transport.ts";
import {
  type FromMember,
  type Introduction,
  type ProposeResult,
  type ToMember,
} from "./propose-wire.ts";

const clusterId = "0123456789abcdef0123456789abcdef";
const keys = 2000;
const filler = "x".repeat(246);
const folder = process.argv[2] ?? "";
const identity = await ephemeralIdentity();
const clock = systemClock;
const logger = silentLogger;
const random = systemRandom;
const slowness = new Slowness();
const admission = { isMember: () => true, isEvicted: () => false };
const host = new MeshHost(
  { listen: "127.0.0.1:0", advertise: [], identity },
  { admission, clock, random, logger, slowness },
);
const transport = new MeshRaftTransport({
  host,
  clock,
  random,
  logger,
  slowness,
  clusterId: () => clusterId,
});
const signal = new AbortController().signal;
await host.start(signal);
await transport.start(signal);

function tell(message: FromMember): void {
  process.send?.(message);
}

async function join(peers: readonly Introduction[]): Promise<ConsensusNode<CommandResult>> {
  for (const { peer, address } of peers) host.setAddress(asPeerId(peer), address);
  const directory = path.join(folder, "raft");
  const node = createConsensusNode<CommandResult>(
    {
      ...defaultDriverOptions,
      core: defaultCoreOptions,
      self: identity.peer,
      bootstrap: simpleConfiguration(peers.map(({ peer }) => peer)),
      lineage: bootstrapLineage(clusterId),
    },
    {
      createCore,
      log: new LevelLogStore({ ...defaultLevelLogOptions, directory }, { clock }),
      snapshots: new SnapshotFiles(
        { directory: path.join(directory, "snapshots"), maxBytes: defaultMaxSnapshotBytes },
        { logger },
      ),
      stateMachine: new InventoryStateMachine({ logger }),
      ...{ transport, clock, random, logger, scheduler: immediateScheduler },
    },
  );
  node.onChange(({ role }) => {
    if (role === "leader") tell({ kind: "leads" });
  });
  await node.start(signal);
  return node;
}

async function load(
  node: ConsensusNode<CommandResult>,
  { callers, seconds }: Extract<ToMember, { kind: "load" }>,
): Promise<ProposeResult> {
  const submit = (request: Uint8Array): ReturnType<typeof node.propose> => node.propose(request);
  const starts = Math.round(performance.now());
  const writer = new InventoryWriter(
    { agent: identity.peer, starts },
    { clock, submit, writtenIn: () => "" },
  );
  const latencies: number[] = [];
  let [n, failed] = [0, 0];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const caller = async (): Promise<void> => {
    for (let now = performance.now(); now < end; ) {
      n += 1;
      const value = `${String(n).padStart(10, "0")}${filler}`;
      const command = { type: "var.put", key: `bench-${n % keys}`, value } as const;
      const ok = await writer.submit(command, { by: "bench" }).then(
        (result) => result.ok,
        () => false,
      );
      const sent = now;
      now = performance.now();
      if (ok) latencies.push(now - sent);
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const { user, system } = process.cpuUsage(cpu);
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.floor((latencies.length - 1) * q)] ?? 0;
  const perSecond = (latencies.length * 1000) / (performance.now() - begun);
  const cpuUs = (user + system) / Math.max(1, latencies.length);
  return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99), cpuUs, failed };
}

let node: ConsensusNode<CommandResult> | null = null;
process.on("message", (message: ToMember) => {
  if (message.kind === "peers") void join(message.peers).then((joined) => (node = joined));
  else if (node !== null)
    void load(node, message).then((result) => tell({ kind: "result", result }));
});
tell({ kind: "listens", peer: identity.peer, address: host.listenAddress() });
