import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ExitRecord, type StoredSpec } from "../../../src/config-engine/run-files.ts";
import { finishedRun } from "../../../src/config-engine/run-result.ts";

const it = suite("run result");

const spec: StoredSpec = {
  id: "j/n/r/configure/1",
  job: "j",
  node: "n",
  role: "r",
  action: "configure",
  attempt: 1,
  revision: "c0ffee",
  executable: "/bundle/configure",
  workingDirectory: "/bundle",
  environment: {},
  timeoutMs: 90_000,
  graceMs: 10_000,
  transcriptBytes: 1024,
  createdAt: 1000,
};
const exit: ExitRecord = {
  cause: "exited",
  exitCode: 0,
  signal: null,
  startedAt: 1000,
  endedAt: 2000,
  reason: "",
  tail: "the last line",
  outputError: null,
};
const verify: StoredSpec = { ...spec, action: "verify" };

it("names the run it is the result of", () => {
  assert.equal(finishedRun(spec, exit, null), {
    id: "j/n/r/configure/1",
    role: "r",
    action: "configure",
    attempt: 1,
    revision: "c0ffee",
    outcome: "succeeded",
    exitCode: 0,
    signal: null,
    startedAt: 1000,
    endedAt: 2000,
    message: "",
  });
});

const cases: [string, StoredSpec, Partial<ExitRecord>, string, string][] = [
  [
    "any other exit code is a failure",
    spec,
    { exitCode: 2 },
    "failed",
    "exited with 2: the last line",
  ],
  ["verify with 0 is in place", verify, {}, "succeeded", ""],
  [
    "verify with 2 drifted, by what it printed",
    verify,
    { exitCode: 2 },
    "drifted",
    "the last line",
  ],
  ["verify with 1 is broken", verify, { exitCode: 1 }, "failed", "exited with 1: the last line"],
  [
    "a signal nobody of us sent is a failure",
    spec,
    { exitCode: null, signal: 11 },
    "failed",
    "was killed by signal 11: the last line",
  ],
  [
    "a time limit says which",
    spec,
    { cause: "timed-out", exitCode: null, signal: 15 },
    "timed-out",
    "did not end within 1m30s: the last line",
  ],
  ["a cancel says why", spec, { cause: "cancelled", reason: "by anna" }, "cancelled", "by anna"],
  [
    "exit code 0 after a cancel is no success",
    spec,
    { cause: "cancelled", exitCode: 0, reason: "by anna" },
    "cancelled",
    "by anna",
  ],
  [
    "output that could not be stored is no success",
    spec,
    { outputError: "ENOSPC: no space left on device" },
    "failed",
    "the output could not be stored (ENOSPC: no space left on device); the action exited with 0",
  ],
  ["a lost run says how", spec, { cause: "lost", reason: "rebooted" }, "lost", "rebooted"],
  [
    "a shim stopped by others is lost",
    spec,
    { cause: "stopped", reason: "SIGTERM" },
    "lost",
    "SIGTERM",
  ],
  [
    "a start that failed is a failure",
    spec,
    { cause: "not-started", exitCode: null, reason: "ENOENT" },
    "failed",
    "could not be started: ENOENT",
  ],
];
for (const [fact, given, changes, outcome, message] of cases) {
  it(fact, () => {
    const result = finishedRun(given, { ...exit, ...changes }, null);
    assert.equal([result.outcome, result.message], [outcome, message]);
  });
}

it("is cancelled when we asked and the shim could not read why", () => {
  const result = finishedRun(spec, { ...exit, cause: "stopped", reason: "SIGTERM" }, "by anna");
  assert.equal([result.outcome, result.message], ["cancelled", "by anna"]);
});

it("keeps the message within 4 KiB and cuts no character in two", () => {
  const { message } = finishedRun(verify, { ...exit, exitCode: 2, tail: "ü".repeat(4000) }, null);
  assert.is(Buffer.byteLength(message), 4096);
  assert.is(message, "ü".repeat(2048));
});

it.run();
