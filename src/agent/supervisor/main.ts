/**
 * The supervisor's process, once its agent is gone: it was a waiting shell until then (supervisor.ts). Holds the data
 * directory's lock for as long as it attests, so no agent can start beside it; one that wants to ends it first.
 */
import path from "node:path";
import process from "node:process";
import { delay, systemClock } from "../../base/clock.ts";
import { asPeerId } from "../../base/ids.ts";
import { readWatermark } from "../../consensus/storage/meta-file.ts";
import { parseSnapshot } from "../../gossip/driver/snapshot.ts";
import { snapshotFile } from "../../gossip/driver/snapshot-file.ts";
import { requireHostPort } from "../../p2p/address.ts";
import { loadIdentity } from "../../p2p/identity.ts";
import { lockDirectory } from "../../storage/dir-lock.ts";
import { readAgentState } from "../agent-state.ts";
import { ExitHold } from "./exit-hold.ts";
import { ExitServer, type ExitServerDependencies } from "./exit-server.ts";
import { readSupervisor } from "./take-data-dir.ts";

/** By then the others have gone on by other means, and nobody should find a stray process on the machine. */
const lifetimeMs = 600_000;
const lookMs = 1000;

async function main([dataDir = "", listen = "", clusterId = ""]: readonly string[]): Promise<void> {
  await lockDirectory(dataDir); // held until this process ends, however it ends
  const identity = await loadIdentity(dataDir, { isMember: true });
  const server = new ExitServer({
    clock: systemClock,
    self: identity.peer,
    clusterId,
    sign: (bytes) => identity.sign(bytes),
    position: () => position(dataDir),
    members: () => membersKnownTo(dataDir),
    hold: await ExitHold.read(dataDir),
  });
  await server.listen(requireHostPort(listen));
  const endMs = systemClock.monotonicMs() + lifetimeMs;
  while (systemClock.monotonicMs() < endMs && (await isOurs(dataDir))) {
    await delay(systemClock, lookMs);
  }
  process.exit(0);
}

async function position(dataDir: string): ReturnType<ExitServerDependencies["position"]> {
  const watermark = await readWatermark(path.join(dataDir, "raft"));
  if (watermark === null) return null;
  const { generation, voters, term, lastTerm, last, chain } = watermark;
  return { generation, voters, term, lastTerm, lastIndex: last, chain };
}

async function membersKnownTo(dataDir: string): Promise<readonly string[]> {
  const text = await snapshotFile(path.join(dataDir, "peers.json")).load();
  const gossip = text === null ? [] : (parseSnapshot(text)?.members ?? []);
  const joined = (await readAgentState(dataDir))?.peers ?? [];
  return [...gossip, ...joined].map(({ id }) => asPeerId(id));
}

/** Removed, emptied or replaced by another: a data directory that does not name this process is not the agent's. */
async function isOurs(dataDir: string): Promise<boolean> {
  const supervisor = await readSupervisor(dataDir);
  return supervisor?.pid === process.pid;
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
