import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type AgentError } from "../../../src/base/errors.ts";
import { inventoryDocument } from "../../../src/inventory/inventory-document.ts";
import { type Manifest, type RoleSpec } from "../../../src/inventory/records.ts";
import { effectiveRoles, roleMembers } from "../../../src/inventory/roles.ts";
import {
  maskSecrets,
  resolveVars,
  secretNames,
  secretValues,
} from "../../../src/inventory/vars.ts";
import { cluster, commit, facts, manifest, peer, setRevision } from "../../support/inventory.ts";

const it = suite("roles and vars");

function roles(requires: Readonly<Record<string, readonly string[]>>): Manifest {
  const specs = Object.entries(requires).map(([name, needed]): [string, RoleSpec] => [
    name,
    { name, runner: "script", requires: needed, actions: {}, secrets: [] },
  ]);
  return { vars: {}, roles: Object.fromEntries(specs) };
}

it("puts everything a role requires before it, each once", () => {
  const graph = roles({ app: ["db", "web"], web: ["base"], db: ["base"], base: [], other: [] });
  assert.equal(effectiveRoles(graph, ["app"]), ["base", "db", "web", "app"]);
  assert.equal(effectiveRoles(graph, ["app", "base", "web"]), ["base", "db", "web", "app"]);
  assert.equal(effectiveRoles(graph, []), []);
});

it("orders roles alike, however they are assigned and written down", () => {
  const one = roles({ a: ["c", "b"], b: [], c: [], d: ["a"] });
  const two = roles({ d: ["a"], c: [], b: [], a: ["b", "c"] });
  assert.equal(effectiveRoles(one, ["d", "b"]), effectiveRoles(two, ["b", "d"]));
});

it("refuses roles that require each other, naming the circle", () => {
  const graph = roles({ x: ["a"], a: ["b"], b: ["c"], c: ["a"] });
  assert.throws(
    () => effectiveRoles(graph, ["x"]),
    (error: AgentError) => {
      assert.is(error.code, "ROLE_CYCLE");
      assert.equal(error.details["cycle"], ["a", "b", "c", "a"]);
      return true;
    },
  );
});

it("refuses a role that the revision does not define, naming who wants it", () => {
  const graph = roles({ web: ["bsae"], base: [] });
  const unknown = (role: string, message: RegExp) =>
    assert.throws(
      () => effectiveRoles(graph, [role]),
      (error: AgentError) => error.code === "ROLE_UNKNOWN" && message.test(error.message),
    );
  unknown("web", /no role "bsae", which role "web" requires; the revision defines: base, web/);
  unknown("constructor", /no role "constructor"/);
});

it("merges vars by level, each replacing a top-level key whole", () => {
  const inventory = cluster("n1");
  inventory.ok({ type: "vars.patch", patch: { level: "global", a: { x: 1, y: 1 }, g: 1 } });
  inventory.ok({ type: "role.put", role: "web", vars: { level: "role", a: { x: 2 }, r: 1 } });
  inventory.ok({ type: "node.patch", node: "n1", vars: { level: "node", n: 1 } });
  const query = { node: "n1", role: "web", revision: commit, jobVars: { level: "job", j: 1 } };
  assert.equal(resolveVars(inventory.view, query), {
    ntp: "pool.example",
    level: "job",
    a: { x: 2 },
    g: 1,
    r: 1,
    n: 1,
    j: 1,
  });
  const other = { ...query, role: "base", revision: null, jobVars: {} };
  assert.equal(resolveVars(inventory.view, other), {
    level: "node",
    a: { x: 1, y: 1 },
    g: 1,
    n: 1,
  });
  assert.throws(
    () => resolveVars(inventory.view, { ...query, revision: "unknown" }),
    (error: AgentError) => error.code === "REVISION_UNKNOWN",
  );
});

it("keeps a var secret that any kept revision calls so", () => {
  const inventory = cluster("n1");
  setRevision(inventory, "newer", { vars: {}, roles: {} });
  const secrets = secretNames(inventory.view);
  assert.equal([...secrets], ["db_password"]);
  const vars = { db_password: { user: "u", pins: [7, ""] }, open: "yes" };
  assert.equal(maskSecrets(vars, secrets), { db_password: "******", open: "yes" });
  assert.equal(secretValues(vars, secrets), ["7", "u"]);
});

it("lists every role with the nodes that carry it, required roles included", () => {
  const inventory = cluster("n1", "n2", "n3");
  inventory.ok({ type: "node.patch", node: "n2", roles: ["web"] });
  inventory.ok({ type: "node.patch", node: "n1", roles: ["base", "gone"] });
  inventory.ok({ type: "role.put", role: "planned", vars: {} });
  assert.equal(Object.fromEntries(roleMembers(inventory.view, manifest)), {
    base: ["n1", "n2"],
    gone: ["n1"],
    planned: [],
    web: ["n2"],
  });
});

it("shows an action the whole cluster, and no vars", () => {
  const inventory = cluster("n1", "n2");
  inventory.ok({ type: "node.facts", id: peer("n1"), facts, address: "10.0.0.1:7700" });
  inventory.ok({
    type: "node.patch",
    node: "n1",
    labels: { rack: "r1" },
    roles: ["web"],
    vars: { password: "hunter2" },
  });
  const document = inventoryDocument(inventory.view, commit);
  assert.equal(document, {
    nodes: {
      n1: {
        address: "10.0.0.1:7700",
        roles: ["web"],
        labels: { rack: "r1" },
        facts,
        phase: "discovered",
        reachability: "reachable",
      },
      n2: {
        address: "10.0.0.9:1",
        roles: [],
        labels: {},
        facts: null,
        phase: "discovered",
        reachability: "reachable",
      },
    },
    roles: { base: ["n1"], web: ["n1"] },
  });
  assert.not.match(JSON.stringify(document), /hunter2/);
});

it.run();
