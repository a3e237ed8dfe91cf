/** The real process: a shell while its "agent" lives, gone after a good-bye, a witness after a crash. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ExitHold } from "../../../../src/agent/supervisor/exit-hold.ts";
import { supervisorFile, takeDataDir } from "../../../../src/agent/supervisor/take-data-dir.ts";
import { systemClock } from "../../../../src/base/clock.ts";
import { isAgentError } from "../../../../src/base/errors.ts";
import { readProcess } from "../../../../src/config-engine/process-table.ts";
import { askSupervisor, isGone } from "../../../../src/p2p/exit-client.ts";
import { loadIdentity } from "../../../../src/p2p/identity.ts";
import { freePort, killLeftovers } from "../../../support/agents.ts";
import { readFile } from "node:fs/promises";
import { until } from "../../../support/until.ts";

interface World {
  folder: string;
  address: string;
  agent: ChildProcess;
}

const it = suite<World>("supervisor");
const never = new AbortController().signal;
const host = path.join(import.meta.dirname, "../../../fixtures/supervised-host.ts");

it.before.each(async (world) => {
  world.folder = await mkdtemp(path.join(os.tmpdir(), "muster-test-"));
  world.address = `127.0.0.1:${await freePort()}`;
  world.agent = spawn(process.execPath, [host, world.folder, world.address], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (world.agent.stdout !== null) await once(world.agent.stdout, "data");
});
it.after.each(async ({ agent, folder }) => {
  agent.kill("SIGKILL");
  await killLeftovers(folder);
  await rm(folder, { recursive: true, force: true });
});

async function supervisorOf(folder: string): Promise<number> {
  return (JSON.parse(await readFile(supervisorFile(folder), "utf8")) as { pid: number }).pid;
}

function take(folder: string): ReturnType<typeof takeDataDir> {
  return takeDataDir(folder, { clock: systemClock, signal: never });
}

it("waits as a shell, and goes when the agent says good-bye", async ({
  folder,
  agent,
  address,
}) => {
  const pid = await supervisorOf(folder);
  assert.is(readProcess(pid)?.command, "sh");
  agent.stdin?.write("stop\n");
  await once(agent, "exit");
  assert.is(readProcess(pid), null);
  assert.not(await isGone(address, never));
});

it("attests after a crash, from where the log's watermark is, until the next agent comes", async ({
  folder,
  agent,
  address,
}) => {
  const pid = await supervisorOf(folder);
  agent.kill("SIGKILL");
  await until({ what: "the supervisor answers" }, () => isGone(address, never));
  const identity = await loadIdentity(folder);
  const nonce = "00000000000000000000000000000001";
  const question = {
    ask: "statement",
    clusterId: "c1",
    node: identity.peer,
    from: identity.peer,
    nonce,
  } as const;
  const asked = { question, sign: (bytes: Uint8Array) => identity.sign(bytes) };
  const answer = await askSupervisor(address, asked, never);
  assert.is(answer?.answer, "statement");
  if (answer?.answer === "statement") assert.is(answer.statement.lastIndex, 2);

  const lock = await take(folder);
  assert.is(readProcess(pid), null, "it made room");
  assert.equal((await ExitHold.read(folder)).statements, [{ nonce, asker: identity.peer }]);
  await lock.release();
});

it("does not let a second agent start beside one that lives", async ({ folder }) => {
  const pid = await supervisorOf(folder);
  try {
    await take(folder);
    assert.unreachable("two agents on one data directory");
  } catch (error) {
    assert.ok(isAgentError(error, "DATA_DIR_IN_USE"));
  }
  assert.is(readProcess(pid)?.command, "sh", "the supervisor of the living one is left alone");
});

it("is replaced when it dies before its agent", async ({ folder }) => {
  const pid = await supervisorOf(folder);
  process.kill(pid, "SIGKILL");
  await until({ what: "another supervisor" }, async () => (await supervisorOf(folder)) !== pid);
});

it("goes when another data directory takes the place of its own", async ({
  folder,
  agent,
  address,
}) => {
  const pid = await supervisorOf(folder);
  agent.kill("SIGKILL");
  await until({ what: "the supervisor answers" }, () => isGone(address, never));
  await rename(folder, `${folder}.before`);
  await mkdir(folder);
  await until({ what: "the supervisor is gone" }, () => readProcess(pid) === null);
  await rm(`${folder}.before`, { recursive: true });
});

it("goes when the data directory is removed", async ({ folder, agent, address }) => {
  const pid = await supervisorOf(folder);
  agent.kill("SIGKILL");
  await until({ what: "the supervisor answers" }, () => isGone(address, never));
  await rm(folder, { recursive: true });
  await until({ what: "the supervisor is gone" }, () => readProcess(pid) === null);
  await mkdir(folder);
  await writeFile(path.join(folder, "x"), "");
});

it.run();
