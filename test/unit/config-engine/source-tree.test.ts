import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isAgentError } from "../../../src/base/errors.ts";
import {
  checkTreeSize,
  isInsideLink,
  isInsidePath,
  manifestTree,
  type SourceEntry,
  treeProblems,
} from "../../../src/config-engine/source-tree.ts";

const it = suite("source tree");

function entry(path: string, changes: Partial<SourceEntry> = {}): SourceEntry {
  return { path, kind: "file", sizeBytes: 10, ...changes };
}

it("knows paths that leave the tree", () => {
  for (const path of ["a", "a/b", "a..b", ".hidden", "a/...", "-x"])
    assert.ok(isInsidePath(path), path);
  for (const path of ["", "/a", "..", "../a", "a/../b", "a//b", "a/", ".", "a/./b", "a\0b"]) {
    assert.not.ok(isInsidePath(path), path);
  }
});

it("lets links stay inside the tree only", () => {
  const inside: [string, string][] = [
    ["link", "a/b"],
    ["a/link", "../b"],
    ["a/b/link", "../../c/d"],
    ["link", "./a"],
  ];
  const outside: [string, string][] = [
    ["link", "/etc/passwd"],
    ["link", ".."],
    ["link", "../x"],
    ["a/link", "../../x"],
    ["a/link", "b/../../x"],
    ["link", "b/../x"],
    ["link", ""],
  ];
  for (const [path, target] of inside)
    assert.ok(isInsideLink(path, target), `${path} -> ${target}`);
  for (const [path, target] of outside) {
    assert.not.ok(isInsideLink(path, target), `${path} -> ${target}`);
  }
});

it("refuses submodules and what is no file", () => {
  const problems = treeProblems([
    entry("a"),
    entry("lib", { kind: "submodule" }),
    entry("pipe", { kind: "special" }),
  ]);
  assert.equal(
    problems.map(({ file }) => file),
    ["lib", "pipe"],
  );
});

it("refuses too many files and too many bytes, and names the largest", () => {
  const limits = { files: 2, bytes: 100 };
  checkTreeSize([entry("a"), entry("b", { sizeBytes: 90 })], limits);
  const large = [entry("a"), entry("iso/disk.img", { sizeBytes: 91 })];
  for (const entries of [large, [entry("a"), entry("b"), entry("c")]]) {
    try {
      checkTreeSize(entries, limits);
      assert.unreachable();
    } catch (error) {
      assert.ok(isAgentError(error, "BUNDLE_TOO_LARGE"));
      if (entries === large) assert.match(error.message, /largest file is "iso\/disk\.img"/);
    }
  }
});

it("finds executables through links, and no end in a circle of them", () => {
  const tree = manifestTree(
    [
      entry("bin/run", { kind: "executable" }),
      entry("link", { kind: "link" }),
      entry("a", { kind: "link" }),
      entry("b", { kind: "link" }),
    ],
    new Map([
      ["link", "bin/run"],
      ["a", "b"],
      ["b", "a"],
    ]),
  );
  assert.is(tree.kind("link"), "executable");
  assert.is(tree.kind("bin"), "folder");
  assert.is(tree.kind("a"), "missing");
  assert.is(tree.kind("constructor"), "missing");
});

it.run();
