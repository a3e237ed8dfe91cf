import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../src/base/errors.ts";
import { type ManifestProblem } from "../../../src/config-engine/manifest-reader.ts";
import {
  describeProblem,
  type ManifestTree,
  parseManifest,
} from "../../../src/config-engine/manifest.ts";

const it = suite("manifest");

const tree: ManifestTree = {
  kind: (path) => {
    if (path.startsWith("bin/")) return "executable";
    if (path === "README") return "file";
    return path === "bin" ? "folder" : "missing";
  },
};

function problems(text: string): string[] {
  try {
    parseManifest(text, tree);
    return [];
  } catch (error) {
    if (!isAgentError(error, "MANIFEST_INVALID")) throw error;
    return (error.details["problems"] as ManifestProblem[]).map(describeProblem);
  }
}

function role(text: string): string {
  return `apiVersion: muster/v1\nroles:\n  base: ${text}\n`;
}

it("fills in defaults: script, thirty minutes, upgrade as configure", () => {
  const manifest = parseManifest(role("{ configure: bin/a }"), tree);
  const action = { path: "bin/a", timeoutMs: 1_800_000 };
  assert.equal(manifest, {
    vars: {},
    roles: {
      base: {
        name: "base",
        runner: "script",
        requires: [],
        actions: { configure: action, upgrade: action },
        secrets: [],
      },
    },
  });
});

it("reads everything a role can say", () => {
  const text = `
apiVersion: muster/v1
vars: { a: 1, b: { c: [true, null, x] } }
roles:
  base: { configure: bin/a }
  web:
    runner: script
    requires: [base, base]
    configure: bin/c
    verify: bin/v
    cleanup: bin/x
    upgrade: bin/u
    timeout: 1h30m
    secrets: [password]
`;
  const { vars, roles } = parseManifest(text, tree);
  assert.equal(vars, { a: 1, b: { c: [true, null, "x"] } });
  assert.equal(roles["web"], {
    name: "web",
    runner: "script",
    requires: ["base"],
    actions: {
      configure: { path: "bin/c", timeoutMs: 5_400_000 },
      verify: { path: "bin/v", timeoutMs: 5_400_000 },
      cleanup: { path: "bin/x", timeoutMs: 5_400_000 },
      upgrade: { path: "bin/u", timeoutMs: 5_400_000 },
    },
    secrets: ["password"],
  });
});

it("reports everything that is wrong at once, with line and column", () => {
  const text = `apiVersion: muster/v2
vars: [1]
rolls: {}
roles:
  base:
    confgure: bin/a
    verify: bin
  web:
    requires: [data]
    configure: nothing
    timeout: soon
`;
  assert.equal(problems(text), [
    'muster.yaml:3:1: unknown key "rolls" in the manifest; did you mean "roles"?',
    'muster.yaml:1:13: apiVersion "muster/v2" is not known; this version reads muster/v1',
    "muster.yaml:2:7: vars must be a map",
    'muster.yaml:6:5: unknown key "confgure" in role "base"; did you mean "configure"?',
    'muster.yaml:7:13: role "base", verify: "bin" is a folder, not an executable file',
    'muster.yaml:5:3: role "base" has no configure',
    'muster.yaml:11:14: timeout "soon" must be a duration such as 90s or 15m, up to 7d',
    'muster.yaml:10:16: role "web", configure: "nothing" does not exist in the repository',
    'muster.yaml:9:16: role "web" requires "data", which is not defined',
  ]);
});

it("says where the text is not YAML", () => {
  const [first] = problems("apiVersion: muster/v1\nroles:\n  base: {\n");
  assert.match(first ?? "", /^muster\.yaml:\d+:\d+: Flow map/);
});

it("refuses a key that stands twice", () => {
  assert.equal(problems(role("{ configure: bin/a, configure: bin/b }")), [
    "muster.yaml:3:29: Map keys must be unique",
  ]);
});

it("refuses an empty text, a list, a bare word", () => {
  for (const text of ["", "- a", "muster", "null"]) {
    assert.match(problems(text)[0] ?? "", /the manifest must be a map/, text);
  }
});

it("refuses the runner that comes later, and an unknown one, and judges nothing else of the role", () => {
  const ansible =
    "{ runner: ansible, connection: local, configure: site.yml, verify: { check: site.yml } }";
  assert.equal(problems(role(ansible)), [
    "muster.yaml:3:19: runner ansible is not available in this version",
  ]);
  assert.equal(problems(role("{ runner: chef, recipe: x }")), [
    'muster.yaml:3:19: runner "chef" is not known; known: script',
  ]);
});

const badPaths = ["/etc/passwd", "../x", "bin/../../x", "./bin/a", "bin//a", '""'];
for (const path of badPaths) {
  it(`refuses the path ${path}`, () => {
    assert.match(
      problems(role(`{ configure: ${path} }`))[0] ?? "",
      /must be a path inside the repository/,
    );
  });
}

it("refuses a file that is not executable, and says how to mend it", () => {
  assert.match(
    problems(role("{ configure: README }"))[0] ?? "",
    /is not executable \(git update-index/,
  );
});

it("refuses roles that require each other, and names the circle once", () => {
  const text = `
apiVersion: muster/v1
roles:
  a: { configure: bin/a, requires: [b] }
  b: { configure: bin/a, requires: [c] }
  c: { configure: bin/a, requires: [b] }
  d: { configure: bin/a, requires: [d] }
`;
  assert.equal(problems(text), [
    "muster.yaml:6:37: roles require each other: b -> c -> b",
    "muster.yaml:7:37: roles require each other: d -> d",
  ]);
});

it("refuses names that could be mistaken for something else", () => {
  for (const name of ["a/b", '"-x"', '"a b"', '""', "x".repeat(64)]) {
    const text = `apiVersion: muster/v1\nroles:\n  ${name}: { configure: bin/a }\n`;
    assert.match(problems(text)[0] ?? "", /role name ".*" must match/, name);
  }
});

it("refuses timeouts of nothing or of more than a week", () => {
  for (const timeout of ["0s", "8d", "-5m", "5", "[5m]"]) {
    assert.is(problems(role(`{ configure: bin/a, timeout: ${timeout} }`)).length, 1, timeout);
  }
});

it("allows anchors, and refuses a bomb of them quickly", () => {
  const shared =
    "apiVersion: muster/v1\nvars: { a: &a [1, 2], b: *a }\nroles: { r: { configure: bin/a } }\n";
  assert.equal(parseManifest(shared, tree).vars, { a: [1, 2], b: [1, 2] });
  let bomb = "apiVersion: muster/v1\nroles: {}\nvars:\n  v0: &v0 [x, x, x, x, x, x, x, x, x]\n";
  for (let i = 1; i < 12; i += 1) {
    const uses = Array(9)
      .fill(`*v${i - 1}`)
      .join(", ");
    bomb += `  v${i}: &v${i} [${uses}]\n`;
  }
  const begun = performance.now();
  assert.match(problems(bomb)[0] ?? "", /vars cannot be read: Excessive alias count/);
  assert.ok(performance.now() - begun < 2000);
});

it("refuses values that JSON has no word for", () => {
  assert.match(
    problems("apiVersion: muster/v1\nroles: {}\nvars: { a: { b: .inf } }\n")[0] ?? "",
    /vars holds Infinity, which JSON cannot say/,
  );
});

it("refuses more roles than a cluster could show", () => {
  const roles = Array.from({ length: 201 }, (_, i) => `  r${i}: { configure: bin/a }`).join("\n");
  assert.match(
    problems(`apiVersion: muster/v1\nroles:\n${roles}\n`)[0] ?? "",
    /201 roles are more/,
  );
});

it.run();
