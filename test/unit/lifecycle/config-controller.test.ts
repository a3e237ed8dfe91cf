import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError } from "../../../src/base/errors.ts";
import { type FetchedRevision } from "../../../src/config-engine/ports.ts";
import { ConfigController } from "../../../src/lifecycle/config-controller.ts";
import { cluster, manifest, peer } from "../../support/inventory.ts";
import { Replica } from "../../support/replica.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("lifecycle: config controller");

/** A repository whose next answers the test decides. */
class FakeRepository {
  readonly fetches: string[] = [];
  commit = "c1";
  error: AgentError | null = null;
  hangs = false;
  aborted = 0;

  async fetch(
    source: { readonly url: string; readonly ref: string | null },
    signal: AbortSignal,
  ): Promise<FetchedRevision> {
    this.fetches.push(source.url);
    if (this.hangs) {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => {
        this.aborted += 1;
        reject(new AgentError("SOURCE_UNREACHABLE", "killed"));
      });
      await promise;
    }
    if (this.error !== null) throw this.error;
    return { commit: this.commit, bundle: "ab".repeat(32), bundleBytes: 1, manifest };
  }
}

class Fixture {
  readonly clock = new VirtualClock();
  readonly replica = new Replica(cluster("n1"), this.clock);
  readonly repository = new FakeRepository();
  readonly controller = new ConfigController(
    { self: peer("n1"), watchIntervalMs: 60_000, fetchTimeoutMs: 30_000 },
    { ...this.replica.deps, repository: this.repository },
  );

  get config() {
    return this.replica.inventory.view.config();
  }

  async start(): Promise<this> {
    await this.controller.start();
    await this.clock.advance(100);
    return this;
  }
}

it("fetches at once when it leads, then every watch interval, and writes only news", async () => {
  const f = await new Fixture().start();
  assert.is(f.repository.fetches.length, 1);
  assert.is(f.config.current, "c1");
  await f.clock.advance(300_000);
  assert.is(f.repository.fetches.length, 6);
  assert.is(f.replica.proposed.length, 1);
  f.repository.commit = "c2";
  await f.clock.advance(61_000);
  assert.is(f.config.current, "c2");
  assert.is(f.replica.proposed.length, 2);
  await f.controller.stop();
});

it("answers every request to refresh, also when nothing is new", async () => {
  const f = await new Fixture().start();
  f.replica.apply({ type: "config.refresh" });
  await f.clock.advance(100);
  assert.is(f.repository.fetches.length, 2);
  assert.is(f.config.refreshDone, f.config.refreshRequested);
  await f.controller.stop();
});

it("keeps the last good revision and tells the error, with file and line, once", async () => {
  const f = await new Fixture().start();
  const details = { file: "muster.yaml", line: 7 };
  f.repository.error = new AgentError("MANIFEST_INVALID", "unknown key", details);
  await f.clock.advance(61_000);
  assert.is(f.config.current, "c1");
  assert.is(f.config.lastError?.code, "MANIFEST_INVALID");
  assert.is(f.config.lastError?.message, "muster.yaml:7: unknown key");
  const written = f.replica.proposed.length;
  await f.clock.advance(600_000);
  assert.is(f.replica.proposed.length, written);
  f.repository.error = null;
  await f.clock.advance(61_000);
  assert.is(f.config.lastError, null);
  await f.controller.stop();
});

it("backs off from a source that fails, up to the watch interval", async () => {
  const f = new Fixture();
  f.repository.error = new AgentError("SOURCE_UNREACHABLE", "no route");
  await f.start();
  await f.clock.advance(600_000);
  const count = f.repository.fetches.length;
  assert.ok(count >= 10 && count <= 16, `${count} fetches in ten minutes`);
  await f.controller.stop();
});

it("gives up a fetch when the source changes, and fetches the new one", async () => {
  const f = new Fixture();
  f.repository.hangs = true;
  await f.start();
  f.repository.hangs = false;
  f.replica.apply({ type: "config.source", source: { url: "file:///other", ref: null } });
  await f.clock.advance(100);
  assert.is(f.repository.aborted, 1);
  assert.equal(f.repository.fetches, ["file:///repo", "file:///other"]);
  assert.is(f.config.current, "c1");
  assert.is(f.config.lastError, null);
  await f.controller.stop();
});

it("gives up a fetch when it no longer leads, and proposes nothing", async () => {
  const f = new Fixture();
  f.repository.hangs = true;
  await f.start();
  f.replica.lead(false);
  await f.clock.advance(60_000);
  assert.is(f.repository.aborted, 1);
  assert.is(f.repository.fetches.length, 1);
  assert.equal(f.replica.proposed, []);
  await f.controller.stop();
});

it("ends a fetch that takes too long, and says so", async () => {
  const f = new Fixture();
  f.repository.hangs = true;
  await f.start();
  f.replica.apply({ type: "config.refresh" });
  await f.clock.advance(31_000);
  assert.is(f.config.lastError?.code, "FETCH_TIMEOUT");
  await f.controller.stop();
});

it("reports a revision that the inventory refuses as an error", async () => {
  const f = new Fixture();
  f.repository.commit = "not a commit!";
  await f.start();
  assert.is(f.config.lastError?.code, "INVALID");
  assert.is(f.config.current, "c0ffee");
  assert.is(f.config.refreshDone, f.config.refreshRequested);
  await f.controller.stop();
});

it("reports a manifest that is too large for an entry", async () => {
  const f = new Fixture();
  f.replica.failures.push("TOO_LARGE");
  await f.start();
  assert.is(f.config.lastError?.code, "MANIFEST_TOO_LARGE");
  await f.controller.stop();
});

it("stops at once in the middle of a fetch", async () => {
  const f = new Fixture();
  f.repository.hangs = true;
  await f.start();
  await f.controller.stop();
  assert.is(f.repository.aborted, 1);
});

it.run();
