/** The command: a verdict per file on stdout, problems on stderr, an exit status for scripts. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const command = path.resolve(import.meta.dirname, "../../linearizability/main.ts");
const it = suite("linearizability: command", { folder: "" });

const line = (event: string): string => `INFO  jepsen.util - ${event}\n`;
const contents: Readonly<Record<string, string>> = {
  "good.log": line("0 :invoke :write 1") + line("0 :ok :write 1"),
  "bad.log": line("0 :invoke :read nil") + line("0 :ok :read 1"),
  "broken.log": line("0 :invoke :read nil") + line("0 :ok :read one"),
  "empty.log": "",
  "hard.log":
    Array.from({ length: 26 }, (_, i) => line(`${i} :invoke :write ${i}`)).join("") +
    line("99 :invoke :read nil") +
    Array.from({ length: 26 }, (_, i) => line(`${i} :ok :write ${i}`)).join("") +
    line("99 :ok :read 999"),
};

it.before((context) => {
  context.folder = mkdtempSync(path.join(tmpdir(), "lincheck-"));
  for (const [name, text] of Object.entries(contents)) {
    writeFileSync(path.join(context.folder, name), text);
  }
});

it.after((context) => {
  rmSync(context.folder, { recursive: true, force: true });
});

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly problems: string;
}

function lincheck(folder: string, ...args: readonly string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, out: stdout, problems: stderr };
}

it("prints ok and exits 0 when all files are", ({ folder }) => {
  assert.equal(lincheck(folder, "good.log"), { status: 0, out: "good.log: ok\n", problems: "" });
});

it("prints violation and exits 1 when a file has one", ({ folder }) => {
  const out = "good.log: ok\nbad.log: violation\n";
  assert.equal(lincheck(folder, "good.log", "bad.log"), { status: 1, out, problems: "" });
});

it("says on request where a history gets stuck", ({ folder }) => {
  const { out, problems } = lincheck(folder, "--explain", "bad.log");
  assert.is(out, "bad.log: violation\n");
  assert.match(problems, /"read → 1" of process 0 \(lines 1–2\)/);
});

it("judges the other files when one cannot be read, and exits 2", ({ folder }) => {
  const { status, out, problems } = lincheck(folder, "absent.log", "broken.log", ".", "bad.log");
  assert.is(status, 2);
  assert.is(out, "bad.log: violation\n");
  const [absent, broken, directory] = problems.split("\n");
  assert.match(absent ?? "", /^lincheck: cannot read absent\.log: ENOENT/);
  assert.match(broken ?? "", /^lincheck: broken\.log:2: expected nil, an integer/);
  assert.match(directory ?? "", /^lincheck: cannot read \.: EISDIR/);
});

it("warns when there was nothing to judge", ({ folder }) => {
  const { status, out, problems } = lincheck(folder, "empty.log");
  assert.equal({ status, out }, { status: 0, out: "empty.log: ok\n" });
  assert.match(problems, /empty\.log: no operations/);
});

it("gives up in time, as unknown, and exits 2", ({ folder }) => {
  const { status, out, problems } = lincheck(folder, "--seconds", "0.2", "hard.log");
  assert.equal({ status, out }, { status: 2, out: "hard.log: unknown\n" });
  assert.match(problems, /allow more with --seconds/);
});

it("refuses arguments that make no sense with its usage, and exits 2", ({ folder }) => {
  const nonsense = [[], ["--fast", "good.log"], ["--seconds", "soon", "good.log"]];
  for (const args of nonsense) {
    const { status, out, problems } = lincheck(folder, ...args);
    assert.equal({ status, out }, { status: 2, out: "" });
    assert.match(problems, /^lincheck: .+\n\nusage: lincheck/);
  }
  assert.match(lincheck(folder, "--help").out, /^usage: lincheck/);
});

it.run();
