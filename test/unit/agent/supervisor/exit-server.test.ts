/** A supervisor's answers over a real socket: to a member, to strangers, to libp2p, to nonsense. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../../src/base/clock.ts";
import { errorCode } from "../../../../src/base/errors.ts";
import { ExitHold } from "../../../../src/agent/supervisor/exit-hold.ts";
import { ExitServer } from "../../../../src/agent/supervisor/exit-server.ts";
import { askSupervisor, isGone } from "../../../../src/p2p/exit-client.ts";
import { ephemeralIdentity, type Identity } from "../../../../src/p2p/identity.ts";
import { freePort } from "../../../support/agents.ts";

interface World {
  folder: string;
  address: string;
  port: number;
  server: ExitServer;
}

const it = suite<World>("exit-server");
const never = new AbortController().signal;
const host = await ephemeralIdentity();
const voter = await ephemeralIdentity();
const standby = await ephemeralIdentity();
const stranger = await ephemeralIdentity();
const position = {
  generation: { n: 1, id: "ab" },
  voters: [host.peer, voter.peer],
  term: 3,
  lastTerm: 3,
  lastIndex: 12,
  chain: "ef",
};
let readable = true;

it.before.each(async (world) => {
  readable = true;
  world.folder = await mkdtemp(path.join(os.tmpdir(), "muster-test-"));
  world.port = await freePort();
  world.address = `127.0.0.1:${world.port}`;
  world.server = new ExitServer({
    clock: systemClock,
    self: host.peer,
    clusterId: "c1",
    sign: (bytes) => host.sign(bytes),
    position: () => Promise.resolve(readable ? position : null),
    members: () => Promise.resolve([standby.peer]),
    hold: await ExitHold.read(world.folder),
  });
  await world.server.listen({ host: "127.0.0.1", port: world.port });
});
it.after.each(async ({ folder, server }) => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

function ask(address: string, by: Identity, change: { clusterId?: string; node?: string } = {}) {
  const nonce = "00000000000000000000000000000001";
  const base = { ask: "statement", clusterId: "c1", node: host.peer as string } as const;
  const question = { ...base, ...change, from: by.peer, nonce };
  return askSupervisor(address, { question, sign: (bytes) => by.sign(bytes) }, never);
}

it("attests to a voter and to a standby, and holds the restart for each", async ({
  folder,
  address,
}) => {
  for (const member of [voter, standby]) {
    const answer = await ask(address, member);
    assert.is(answer?.answer, "statement");
    if (answer?.answer !== "statement") continue;
    assert.is(answer.statement.lastIndex, 12);
    assert.equal(answer.statement.generation, position.generation);
  }
  const askers = (await ExitHold.read(folder)).statements.map(({ asker }) => asker);
  assert.equal(askers, [voter.peer, standby.peer]);
});

it("binds itself to no stranger, no other cluster, and nothing it cannot know", async ({
  folder,
  address,
}) => {
  assert.is((await ask(address, stranger))?.answer, "refused");
  assert.is((await ask(address, voter, { clusterId: "c2" }))?.answer, "refused");
  assert.is((await ask(address, voter, { node: voter.peer }))?.answer, "refused");
  readable = false;
  assert.is((await ask(address, voter))?.answer, "refused");
  assert.equal((await ExitHold.read(folder)).statements, []);
});

it("tells anybody that the agent is gone, which nobody else does", async ({ address, server }) => {
  assert.ok(await isGone(address, never));
  server.close();
  assert.not(await isGone(address, never), "nobody listens");
});

it("resets whoever speaks another protocol", async ({ port }) => {
  const socket = connect(port, "127.0.0.1");
  socket.write("\u0013/multistream/1.0.0\n");
  const [error] = (await once(socket, "error")) as readonly unknown[];
  assert.is(errorCode(error), "ECONNRESET");
  assert.is(socket.bytesRead, 0);
});

it("waits until the port is free", async ({ folder, port, address, server }) => {
  const second = new ExitServer({
    clock: systemClock,
    self: host.peer,
    clusterId: "c1",
    sign: (bytes) => host.sign(bytes),
    position: () => Promise.resolve(position),
    members: () => Promise.resolve([]),
    hold: await ExitHold.read(folder),
  });
  const listening = second.listen({ host: "127.0.0.1", port });
  server.close();
  await listening;
  assert.ok(await isGone(address, never));
  second.close();
});

it.run();
