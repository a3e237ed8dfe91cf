/** agent.json: what is written is read back, and a torn one is never taken for a new directory. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type AgentState,
  readAgentState,
  writeAgentState,
} from "../../../src/agent/agent-state.ts";
import { prepareDataDir } from "../../../src/agent/data-dir.ts";
import { errorCode, errorMessage } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";

const it = suite("agent state");
const state: AgentState = {
  clusterId: "c1",
  clusterName: "prod",
  nodeName: "n1",
  founder: true,
  peers: [{ id: asPeerId("p2"), address: "10.0.0.2:7700" }],
  starts: 3,
  hadLog: true,
};

function inFolder(act: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), "muster-state-"));
    try {
      await act(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

it(
  "reads back what was written, in a private file, and leaves nothing beside it",
  inFolder(async (folder) => {
    assert.is(await readAgentState(folder), null);
    await writeAgentState(folder, state);
    await writeAgentState(folder, { ...state, starts: 4 });
    assert.equal(await readAgentState(folder), { ...state, starts: 4 });
    assert.is((await stat(path.join(folder, "agent.json"))).mode & 0o777, 0o600);
    assert.equal(await readdir(folder), ["agent.json"]);
  }),
);

it(
  "refuses a torn or foreign file by name, and says what to do",
  inFolder(async (folder) => {
    const file = path.join(folder, "agent.json");
    const whole = JSON.stringify(state);
    const torn = ["", "{", whole.slice(0, -5), "[]", "null", "7", "{}", whole.replace("3", '"3"')];
    for (const content of torn) {
      await writeFile(file, content);
      const error: unknown = await readAgentState(folder).catch((reason: unknown) => reason);
      assert.is(errorCode(error), "DATA_DIR_INVALID", content);
      assert.ok(errorMessage(error).includes(file), errorMessage(error));
      assert.match(errorMessage(error), /restore it, or start this agent with an empty data/);
    }
    await rm(file);
    await mkdir(file);
    const error: unknown = await readAgentState(folder).catch((reason: unknown) => reason);
    assert.is(errorCode(error), "DATA_DIR_INVALID", "not readable is not absent");
  }),
);

it(
  "leaves out peers that are none",
  inFolder(async (folder) => {
    const peers = [...state.peers, 7, null, { id: "p3" }, { id: 4, address: "x" }];
    await writeFile(path.join(folder, "agent.json"), JSON.stringify({ ...state, peers }));
    assert.equal((await readAgentState(folder))?.peers, state.peers);
  }),
);

it(
  "makes a data directory private, takes an existing one, refuses a file",
  inFolder(async (folder) => {
    const made = path.join(folder, "a/b");
    await prepareDataDir(made);
    await prepareDataDir(made);
    assert.is((await stat(made)).mode & 0o777, 0o700);
    const file = path.join(folder, "file");
    await writeFile(file, "");
    for (const bad of [file, path.join(file, "below")]) {
      const error: unknown = await prepareDataDir(bad).catch((reason: unknown) => reason);
      assert.is(errorCode(error), "DATA_DIR_INVALID");
      assert.match(errorMessage(error), /--data-dir/);
    }
  }),
);

it.run();
