/** What is recorded is what is judged: the recorder's lines, read back. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultBudget } from "../../linearizability/budget.ts";
import { judgeText, readOperations } from "../../linearizability/history-text.ts";
import { keyValueLog } from "../../linearizability/key-value-log.ts";
import { type Call, type Outcome, Recorder } from "../../linearizability/recorder.ts";

const it = suite("linearizability: recorder");

function history(...steps: readonly (readonly [Call, Outcome])[]): string {
  const recorder = new Recorder();
  const process = recorder.newProcess();
  for (const [call, outcome] of steps) {
    recorder.call(process, call);
    recorder.reply(process, call, outcome);
  }
  return recorder.text();
}

const ok: Outcome = { type: "ok" };
const get = { f: "get", key: "k" } as const;
const put = (value: string): Call => ({ f: "put", key: "k", value });
const cas = (from: string, value: string): Call => ({ f: "cas", key: "k", from, value });
const saw = (value: string): Outcome => ({ type: "ok", value });
const verdict = (...steps: readonly (readonly [Call, Outcome])[]) =>
  judgeText("recorded", history(...steps), defaultBudget).verdict;

it("writes calls and replies that read back as the operations they were", () => {
  const odd = 'a "quoted"\n\\ value – ✓';
  const text = history([put(odd), ok], [get, saw(odd)], [cas("1", "2"), { type: "refused" }]);
  const ops = readOperations("recorded", text.split("\n"), keyValueLog);
  assert.equal(
    ops.map(({ op }) => op),
    [
      { f: "put", key: "k", value: odd },
      { f: "get", key: "k", value: odd },
      { f: "cas", key: "k", from: "1", value: "2", swapped: false },
    ],
  );
});

it("leaves out what did not happen and keeps open what nobody knows", () => {
  const text = history(
    [put("1"), { type: "fail" }],
    [cas("", "2"), { type: "fail" }],
    [get, { type: "fail" }],
    [get, { type: "info" }],
    [cas("", "3"), { type: "info" }],
  );
  assert.equal(readOperations("recorded", text.split("\n"), keyValueLog), [
    {
      process: 0,
      op: { f: "cas", key: "k", from: "", value: "3", swapped: true },
      called: 9,
      returned: null,
    },
  ]);
});

it("holds a compare-and-set to the value it found", () => {
  assert.is(verdict([cas("", "1"), ok], [cas("1", "2"), ok], [get, saw("2")]), "ok");
  assert.is(verdict([put("1"), ok], [cas("2", "3"), { type: "refused" }], [get, saw("1")]), "ok");
  assert.is(verdict([put("1"), ok], [cas("2", "3"), ok]), "violation");
  assert.is(verdict([put("1"), ok], [cas("1", "3"), { type: "refused" }]), "violation");
  assert.is(verdict([put("1"), ok], [cas("1", "2"), { type: "info" }], [get, saw("2")]), "ok");
  assert.is(
    verdict([put("1"), ok], [cas("1", "2"), { type: "fail" }], [get, saw("2")]),
    "violation",
  );
});

it("finds a lost append, one that is there twice, and one that was refused and yet is there", () => {
  const append = (value: string): Call => ({ f: "append", key: "k", value });
  const two = [[append(" 1"), ok] as const, [append(" 2"), ok] as const];
  assert.is(verdict(...two, [get, saw(" 1 2")]), "ok");
  assert.is(verdict(...two, [get, saw(" 1")]), "violation");
  assert.is(verdict(...two, [get, saw(" 1 2 2")]), "violation");
  assert.is(verdict([append(" 1"), { type: "fail" }], [get, saw(" 1")]), "violation");
});

it.run();
