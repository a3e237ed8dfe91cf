/**
 * Data files that were damaged while their agent was down. It starts on what is provably whole, rejoins without what
 * it lost, or refuses to start and says why; the others go on in any case, and nothing acknowledged is lost.
 */
import { cpSync, rmSync } from "node:fs";
import path from "node:path";
import { type Random } from "../../src/base/random.ts";
import { until } from "../support/until.ts";
import { type LabAgent } from "../support/lab/agent.ts";
import { cutEnd, filesIn, flipByte, removeFile, zeroPage } from "../support/lab/damage.ts";
import { type Nemesis, type Siege } from "./nemesis.ts";

/** Damages one file of a stopped agent; says what it did. */
type Damage = (folder: string, random: Random) => string;

function one(folder: string, name: RegExp, random: Random): string {
  const files = filesIn(folder, name);
  const file = files[random.below(files.length)];
  if (file === undefined) throw new Error(`No file ${String(name)} in ${folder}`);
  return file;
}

const logFiles = /^\d+\.log$/;
const allFiles = /^(\d+\.(log|ldb)|meta\.\d|MANIFEST-\d+|CURRENT)$/;

function nemesis(name: string, about: string, damage: Damage): Nemesis {
  return {
    name,
    about,
    async strike(siege) {
      const agent = await siege.follower();
      await agent.kill("SIGKILL");
      const copy = `${agent.dataDir}.before`;
      const raft = path.join(agent.dataDir, "raft");
      cpSync(raft, copy, { recursive: true });
      try {
        siege.say(`${agent.name}: ${damage(raft, siege.random)}`);
        await siege.progress("while an agent is down", 5);
        await returns(siege, agent, copy);
      } finally {
        rmSync(copy, { recursive: true, force: true });
      }
      await siege.progress("after the agent came back");
    },
  };
}

/** When it refuses to start, the operator does what the message says; the test puts the disk back as it was. */
async function returns(siege: Siege, agent: LabAgent, copy: string): Promise<void> {
  const { cluster } = siege.lab;
  const logged = agent.log().length;
  cluster.restart(agent);
  const what = `${agent.name} serves again, or refuses to start`;
  const end = await until({ what, deadlineMs: 60_000 }, async () => {
    if (!agent.running) return "refused";
    return (await agent.api("GET", "/readyz")).status === 200 ? "serves" : null;
  });
  siege.say(`${agent.name} ${end}`);
  if (end === "serves") return;
  const words = agent.log().slice(logged);
  if (!/LOG_CORRUPT|SNAPSHOT_CORRUPT|LOG_OPEN_FAILED|META_CORRUPT/.test(words)) {
    throw new Error(`${agent.name} ended without saying that its data are damaged: ${words}`);
  }
  const raft = path.join(agent.dataDir, "raft");
  rmSync(raft, { recursive: true });
  cpSync(copy, raft, { recursive: true });
  cluster.restart(agent);
  await cluster.ready(agent, siege.lab.agents.length);
}

export const storageNemeses: readonly Nemesis[] = [
  nemesis("flip-byte", "a bit flips in the log of an agent that is down", (folder, random) => {
    const file = one(folder, logFiles, random);
    return `flipped a bit at ${flipByte(file, random)} of ${path.basename(file)}`;
  }),
  nemesis("flip-any", "a bit flips in any file of an agent that is down", (folder, random) => {
    const file = one(folder, allFiles, random);
    return `flipped a bit at ${flipByte(file, random)} of ${path.basename(file)}`;
  }),
  nemesis("zero-page", "a page of the log reads as zeros", (folder, random) => {
    const file = one(folder, logFiles, random);
    return `zeroed the page at ${zeroPage(file, random)} of ${path.basename(file)}`;
  }),
  nemesis("cut-log", "the end of the log is gone", (folder, random) => {
    const file = one(folder, logFiles, random);
    return `cut ${path.basename(file)} at ${cutEnd(file, random)}`;
  }),
  nemesis("delete-log", "the file of the log is gone", (folder, random) => {
    const file = one(folder, logFiles, random);
    removeFile(file);
    return `deleted ${path.basename(file)}`;
  }),
];
