import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limits } from "../../../src/inventory/limits.ts";
import { cluster } from "../../support/inventory.ts";

const it = suite("inventory vars, roles and settings");

it("gives every global its own version", () => {
  const inventory = cluster("n1");
  const first = inventory.ok({ type: "var.put", key: "a", value: 1 });
  assert.equal(first, { version: inventory.machine.appliedIndex });
  inventory.ok({ type: "var.put", key: "b", value: { deep: [1, null] } });
  assert.equal({ version: inventory.view.variable("a")?.version }, first);
  assert.equal(
    inventory.view.variables().map(({ key }) => key),
    ["a", "b"],
  );
});

it("counts the bytes of a value as it is in JSON, and takes no more than the limit", () => {
  const inventory = cluster("n1");
  const most = limits.varsBytes - 2; // the quotes
  const put = (value: string) => ({ type: "var.put", key: "a", value }) as const;
  inventory.ok(put("x".repeat(most)));
  inventory.refused(put("x".repeat(most + 1)), "INVALID");
  inventory.ok(put("\u0001".repeat(Math.floor(most / 6))));
  inventory.refused(put("\u0001".repeat(Math.floor(most / 6) + 1)), "INVALID");
});

it("writes conditionally: 0 creates, n replaces what was seen", () => {
  const inventory = cluster("n1");
  const put = (value: number, ifVersion?: number) =>
    ({
      type: "var.put",
      key: "a",
      value,
      ...(ifVersion === undefined ? {} : { ifVersion }),
    }) as const;
  inventory.refused(put(1, 5), "VERSION_MISMATCH");
  inventory.ok(put(1, 0));
  const version = inventory.view.variable("a")?.version ?? 0;
  const taken = inventory.refused(put(2, 0), "ALREADY_EXISTS");
  assert.is(taken.details["current"], version);
  inventory.ok(put(2, version));
  const stale = inventory.refused(put(3, version), "VERSION_MISMATCH");
  assert.is(stale.details["current"], inventory.view.variable("a")?.version);
});

it("deletes a global that there is", () => {
  const inventory = cluster("n1");
  inventory.refused({ type: "var.delete", key: "a" }, "NOT_FOUND");
  inventory.ok({ type: "var.put", key: "a", value: 1 });
  inventory.refused({ type: "var.delete", key: "a", ifVersion: 1 }, "VERSION_MISMATCH");
  inventory.ok({ type: "var.delete", key: "a" });
  assert.is(inventory.view.variable("a"), null);
});

it("refuses keys that are no names, and values beyond the limit", () => {
  const inventory = cluster("n1");
  for (const key of ["", "1a", "a b", "a/b", "constructor", "x".repeat(129)]) {
    inventory.refused({ type: "var.put", key, value: 1 }, "INVALID");
  }
  inventory.refused({ type: "var.put", key: "a", value: "ä".repeat(131_073) }, "INVALID");
});

it("patches globals all or nothing", () => {
  const inventory = cluster("n1");
  inventory.ok({ type: "vars.patch", patch: { a: 1, b: { x: 1, y: 2 }, c: 3 } });
  inventory.ok({ type: "vars.patch", patch: { a: null, b: { y: null, z: 3 }, never: null } });
  const vars = inventory.view.variables().map(({ key, value }) => [key, value]);
  assert.equal(vars, [
    ["b", { x: 1, z: 3 }],
    ["c", 3],
  ]);
  inventory.refused({ type: "vars.patch", patch: { c: 4, "bad key": 1 } }, "INVALID");
  inventory.refused({ type: "vars.patch", patch: { c: 4, d: "x".repeat(262_145) } }, "INVALID");
  assert.is(inventory.view.variable("c")?.value, 3);
});

it("answers the new versions of a patch", () => {
  const inventory = cluster("n1");
  const answer = inventory.ok({ type: "vars.patch", patch: { a: 1, b: null } });
  assert.equal(answer, { versions: { a: inventory.machine.appliedIndex } });
});

it("tells of changes and of nothing else", () => {
  const inventory = cluster("n1");
  const put = () => inventory.ok({ type: "var.put", key: "a", value: { x: 1 } });
  assert.equal(inventory.eventsOf(put), ["var.changed var/a"]);
  assert.equal(inventory.eventsOf(put), []);
  const gone = () => inventory.ok({ type: "vars.patch", patch: { a: null } });
  assert.equal(inventory.eventsOf(gone), ["var.deleted var/a"]);
});

it("bounds the number of globals", () => {
  const inventory = cluster("n1");
  const patch = Object.fromEntries(Array.from({ length: 4096 }, (_, i) => [`k${i}`, i]));
  inventory.ok({ type: "vars.patch", patch });
  inventory.refused({ type: "var.put", key: "more", value: 1 }, "LIMIT");
  inventory.ok({ type: "var.put", key: "k0", value: "changed" });
});

it("keeps what the operator sets for a role", () => {
  const inventory = cluster("n1");
  const put = { type: "role.put", role: "web", vars: { port: 80 } } as const;
  inventory.ok({ ...put, ifVersion: 0 });
  inventory.refused({ ...put, ifVersion: 0 }, "ALREADY_EXISTS");
  inventory.refused({ ...put, role: "a/b" }, "INVALID");
  inventory.refused({ ...put, vars: { "bad key": 1 } }, "INVALID");
  assert.equal(inventory.view.role("web")?.vars, { port: 80 });
  inventory.ok({ type: "role.delete", role: "web" });
  inventory.refused({ type: "role.delete", role: "web" }, "NOT_FOUND");
});

it("takes only settings that can be carried out", () => {
  const inventory = cluster("n1");
  const put = (selector: string, roles: readonly string[]) =>
    ({
      type: "settings.put",
      settings: { autoCommission: { selector, roles }, repair: "auto" },
    }) as const;
  inventory.refused(put("", []), "INVALID");
  inventory.refused(put("a in (", []), "INVALID");
  inventory.refused(put("rack=r1", ["a/b"]), "INVALID");
  assert.is(inventory.view.settings().version, 0, "defaults stand in until then");
  inventory.ok({ ...put("rack=r1", ["web"]), ifVersion: 0 });
  assert.is(inventory.view.settings().settings.repair, "auto");
  inventory.refused({ ...put("rack=r2", []), ifVersion: 1 }, "VERSION_MISMATCH");
});

it.run();
