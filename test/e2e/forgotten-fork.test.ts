/**
 * A node that was forgotten by a fork while its agent was down: those who left it are believed only when those who
 * stayed, and might still admit it, have been heard, or are outnumbered.
 */
import { access } from "node:fs/promises";
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { processesOf, type TestAgent } from "../support/agents.ts";
import { Lab } from "../support/lab/lab.ts";
import { whyNoLab } from "../support/lab/requirements.ts";
import { until } from "../support/until.ts";

const it = suite("forgotten by a fork");

interface Status {
  readonly mode: string;
  readonly cluster: { readonly generation: number };
  readonly membership: {
    readonly removal: { readonly by: readonly string[]; readonly needed: number } | null;
  };
}

/** Agent and supervisor at once: nobody attests that it ended. */
async function hostDies(agent: TestAgent): Promise<void> {
  for (const pid of await processesOf(agent.dataDir)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended with its parent.
    }
  }
  await agent.kill("SIGKILL");
}

const statusOf = (agent: TestAgent): Promise<Status> => agent.get<Status>("/v1/status");

it("waits at the word of two of five, and ends when a third one says so", async () => {
  await using lab = await Lab.start({ size: 5 });
  const [n1, n2, gone, n4, n5] = ["n1", "n2", "n3", "n4", "n5"].map((name) => lab.agent(name));
  if (!n1 || !n2 || !gone || !n4 || !n5) throw new Error("five agents");
  const quick = await n1.cli(["settings", "set", "survivor.silence=2s", "survivor.cold=4s"]);
  assert.is(quick.code, 0, quick.stderr);
  await Promise.all([gone, n4, n5].map(hostDies));
  await until({ what: "two go on in a generation of their own", deadlineMs: 60_000 }, async () => {
    const answer = await n1
      .api("PUT", "/v1/vars/alone", { body: { value: 1 }, timeoutMs: 8000 })
      .catch(() => null);
    return answer?.status === 200 && (await statusOf(n1)).cluster.generation === 2;
  });
  const forgotten = await n1.api("DELETE", `/v1/nodes/${gone.name}?force=true`);
  assert.is(forgotten.status, 204, forgotten.text);

  lab.cluster.restart(gone);
  await until({ what: "both say so", deadlineMs: 30_000 }, async () => {
    return (await statusOf(gone)).membership.removal?.by.length === 2;
  });
  // Each is asked again every ten seconds: by now the word of a fork has had time to count.
  await until({ what: "it was told for half a minute", deadlineMs: 90_000 }, () => {
    return gone.log().split("says that this agent was evicted").length > 2 * 4;
  });
  const { mode, cluster, membership } = await statusOf(gone);
  assert.equal([mode, cluster.generation], ["read-only", 1], "it founds nothing of its own");
  assert.is(membership.removal?.needed, 3, "a majority, as two were not heard");
  const notice = path.join(gone.dataDir, "removed.json");
  assert.is(
    await access(notice).then(
      () => true,
      () => false,
    ),
    false,
  );

  lab.cluster.restart(n4);
  assert.is(await gone.exited(90_000), 7, "the third one came back into the fork");
  assert.match(gone.log(), /MEMBER_EVICTED/);
});

const reason = await whyNoLab();
if (reason === null) {
  it.run();
} else {
  process.stdout.write(`# skip forgotten by a fork: ${reason}\n`);
  const skipped = suite("forgotten by a fork");
  skipped.skip(reason, () => undefined);
  skipped.run();
}
