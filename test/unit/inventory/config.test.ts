import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Command } from "../../../src/inventory/commands.ts";
import {
  Inventory,
  cluster,
  commission,
  commit,
  jobCreate,
  manifest,
  nodeFinish,
  peer,
  setRevision,
  start,
} from "../../support/inventory.ts";

const it = suite("inventory config");
const source = { url: "file:///repo", ref: null };

type Fetched = Extract<Command, { readonly type: "config.fetched" }>;
const good = {
  ok: true,
  commit: "abc",
  bundle: "11".repeat(32),
  bundleBytes: 1,
  manifest,
  nodeFinish,
  by: peer("n1"),
} as const;
const bad = {
  ok: false,
  code: "MANIFEST_INVALID",
  message: "muster.yaml:3: no such runner",
} as const;

function fetched(result: Fetched["result"], parts: Partial<Fetched> = {}): Fetched {
  return { type: "config.fetched", request: 1, source, result, ...parts };
}

it("asks for a fetch whenever the source is set or a refresh is wanted", () => {
  const inventory = cluster("n1");
  const before = inventory.view.config().refreshRequested;
  inventory.ok({ type: "config.source", source: { url: "https://x/y.git", ref: "main" } });
  inventory.ok({ type: "config.refresh" });
  const config = inventory.view.config();
  assert.equal(config.source, { url: "https://x/y.git", ref: "main" });
  assert.is(config.refreshRequested, before + 2);
  assert.is(config.refreshDone, before);
  assert.is(config.current, commit, "the last good revision stays in force");
});

it("refuses a refresh without a source, and a source without a URL", () => {
  new Inventory().refused({ type: "config.refresh" }, "CONFLICT");
  const inventory = cluster("n1");
  inventory.refused({ type: "config.source", source: { url: " ", ref: null } }, "INVALID");
  const long = { url: "x".repeat(2049), ref: null };
  inventory.refused({ type: "config.source", source: long }, "INVALID");
  inventory.refused({ type: "config.source", source, ifVersion: 1 }, "VERSION_MISMATCH");
});

it("puts a fetched revision in force, and tells when it is another one", () => {
  const inventory = cluster("n1");
  const fetch = () => inventory.ok(fetched(good));
  assert.equal(inventory.eventsOf(fetch), ["config.revision config"]);
  const { version, ...revision } = inventory.view.revision("abc") ?? { version: 0 };
  assert.is(version, inventory.machine.appliedIndex);
  assert.is((revision as { fetchedAt: number }).fetchedAt, start);
  assert.is(inventory.view.config().current, "abc");
  assert.equal(inventory.eventsOf(fetch), ["config.fetched config"]);
  assert.is(
    inventory.view.revision("abc")?.version,
    version,
    "the same bundle is not written again",
  );
});

it("keeps the last good revision in force when a fetch fails, until one succeeds", () => {
  const inventory = cluster("n1");
  inventory.at += 7;
  const fail = () => inventory.ok(fetched(bad));
  assert.equal(inventory.eventsOf(fail), ["config.error config"]);
  const { current, lastError, refreshDone } = inventory.view.config();
  assert.is(current, commit);
  assert.is(refreshDone, 1);
  assert.equal(lastError, { code: bad.code, message: bad.message, at: start + 7 });
  inventory.ok(fetched(good));
  assert.is(inventory.view.config().lastError, null);
});

it("ignores what was fetched from a source that is no longer set", () => {
  const inventory = cluster("n1");
  inventory.refused(fetched(good, { source: { url: "file:///old", ref: null } }), "CONFLICT");
  inventory.refused(fetched(bad, { source: { url: "file:///repo", ref: "v2" } }), "CONFLICT");
});

it("refuses a revision that cannot be one", () => {
  const inventory = cluster("n1");
  inventory.refused(fetched(good, { request: 99 }), "INVALID");
  inventory.refused(fetched({ ...good, commit: "../etc" }), "INVALID");
  inventory.refused(fetched({ ...good, bundle: "short" }), "INVALID");
  const role = manifest.roles["base"];
  assert.ok(role);
  const roles = { ...manifest.roles, "a/b": role };
  inventory.refused(fetched({ ...good, manifest: { ...manifest, roles } }), "INVALID");
  const vars = { big: "x".repeat(1024 * 1024) };
  inventory.refused(fetched({ ...good, manifest: { ...manifest, vars } }), "INVALID");
});

it("keeps the newest revisions and every one that is still needed", () => {
  const inventory = cluster("n1", "n2");
  commission(inventory, "j1", "n1");
  for (let i = 0; i < 30; i += 1) setRevision(inventory, `r${String(i).padStart(2, "0")}`);
  const kept = inventory.view.revisions().map((revision) => revision.commit);
  assert.is(kept.length, 21);
  assert.ok(kept.includes(commit), "a node carries it");
  assert.not.ok(kept.includes("r09"));
  assert.ok(kept.includes("r10"));
});

it("keeps the revision that is on a node although no run refers to it", () => {
  const inventory = cluster("n1");
  inventory.ok(jobCreate("j1", "commission", ["n1"]));
  const begin = { job: "j1", node: "n1", phase: "commissioning", roles: [] } as const;
  inventory.ok({ type: "job.node.begin", ...begin });
  inventory.ok(nodeFinish("j1", "n1", { phase: "commissioned", revision: commit }));
  inventory.ok({ type: "job.finish", job: "j1", status: "succeeded" });
  for (let i = 0; i < 25; i += 1) setRevision(inventory, `r${i}`);
  assert.ok(inventory.view.revision(commit));
});

it.run();
