/** The judges of a nemesis run see what is wrong: a judge that cannot object proves nothing. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  compareStreams,
  compareWithWrites,
  type EventLine,
  type StreamOfAgent,
} from "../../nemesis/event-streams.ts";
import { defaultBudget } from "../../linearizability/budget.ts";
import { type Call, Recorder } from "../../linearizability/recorder.ts";
import { judgeGenerations } from "../../nemesis/generations.ts";
import { Journal } from "../../nemesis/journal.ts";

const it = suite("nemesis: judges");

const event = (index: number, subject: string, seq = 0): EventLine => ({
  ...{ index, seq, subject },
  type: "var.changed",
});
const stream = (name: string, ...events: readonly EventLine[]): StreamOfAgent => ({
  ...{ name, events },
  problems: [],
});
const events = [event(4, "var/a"), event(5, "var/b"), event(5, "var/c", 1), event(9, "var/a")];

it("accepts streams that are the same, and what comes after the end", () => {
  const longer = stream("n2", ...events, event(12, "var/z"));
  assert.equal(compareStreams([stream("n1", ...events), longer], 9), []);
});

it("objects to an event that one agent did not stream, whoever it is", () => {
  for (const missing of events) {
    const short = stream("n2", ...events.filter((one) => one !== missing));
    const whole = stream("n1", ...events);
    assert.is(compareStreams([whole, short], 9).length, 1, JSON.stringify(missing));
    assert.is(compareStreams([short, whole], 9).length, 1, JSON.stringify(missing));
  }
});

it("objects to an event that is not the same everywhere, and passes on what a reader saw", () => {
  const other = stream("n2", ...events.slice(0, 3), event(9, "var/other"));
  assert.is(compareStreams([stream("n1", ...events), other], 9).length, 1);
  const twice = { ...stream("n1", ...events), problems: ["n1 streamed event 5.0 after 5.1"] };
  assert.equal(compareStreams([twice], 9), twice.problems);
});

function journal(): Journal {
  const kept = new Journal();
  kept.accept("var/a", 4);
  kept.accept("var/a", 9);
  kept.accept("var/b", 5);
  kept.accept("var/c", null);
  return kept;
}

it("accepts an event for every acknowledged write, and for those that nobody knows about", () => {
  assert.equal(compareWithWrites(events, journal()), []);
  const unsure = journal();
  unsure.doubt("var/a");
  assert.equal(compareWithWrites(events, unsure), []);
  assert.equal(compareWithWrites([...events, event(11, "var/a")], unsure), []);
});

it("objects to an acknowledged write without event, at its own version", () => {
  assert.is.not(compareWithWrites(events.slice(0, 3), journal()).length, 0);
  const moved = events.map((one) => (one.index === 9 ? event(10, "var/a") : one));
  assert.is(compareWithWrites(moved, journal()).length, 1);
});

it("objects to a change that nobody made, or that was refused", () => {
  assert.is(compareWithWrites([...events, event(11, "var/b")], journal()).length, 1);
});

it("measures the longest time between two acknowledgements", () => {
  const times = [0, 10, 250, 260];
  const kept = new Journal(() => times.shift() ?? 0);
  for (let write = 0; write < 4; write += 1) kept.tick();
  assert.is(kept.longestGapMs, 240);
});

/**
 * One key; every step is a call and its reply: `get=a`, `put=a`, `put?a` (nobody knows), `a>b=` and `a>b?` (a swap), each
 * told by a generation.
 */
function history(...steps: readonly (readonly [generation: string, step: string])[]): Recorder {
  const recorder = new Recorder();
  for (const [generation, step] of steps) {
    const [f = "", mark = "", value = ""] = step.split(/([=?])/);
    const process = recorder.newProcess();
    const call = callOf(f, value);
    recorder.call(process, call);
    if (mark === "?") recorder.reply(process, call, { type: "info" });
    else recorder.reply(process, call, { type: "ok", value }, generation);
  }
  return recorder;
}

function callOf(f: string, value: string): Call {
  const [from = "", to] = f.split(">");
  if (to !== undefined) return { f: "cas", key: "k", from, value: to };
  return f === "get" ? { f, key: "k" } : { f: "put", key: "k", value };
}

const problemsOf = (...steps: readonly (readonly [string, string])[]): number =>
  judgeGenerations(history(...steps), defaultBudget).problems.length;

it("judges each generation by itself, with what it began with and what a merge brought", () => {
  const before = [["1/a", "put=x"]] as const;
  assert.is(problemsOf(...before, ["1/a", "put=y"], ["2/b", "get=x"], ["2/b", "put=z"]), 0);
  assert.is(problemsOf(...before, ["2/b", "put=z"], ["1/a", "get=x"], ["1/a", "get=z"]), 0);
  assert.is(problemsOf(...before, ["1/a", "put?y"], ["2/b", "get=y"], ["1/a", "get=x"]), 0);
  assert.is(problemsOf(...before, ["1/a", "x>y?"], ["1/a", "put=z"], ["2/b", "get=y"]), 0);
  assert.is(problemsOf(["1/a", "put="], ["2/b", "put=z"], ["1/a", "get=z"], ["1/a", "get=z"]), 0);
});

it("objects to a stale read, an invented value and a lost write inside of a generation", () => {
  assert.is(problemsOf(["2/b", "put=x"], ["2/b", "put=y"], ["2/b", "get=x"]), 1);
  assert.is(problemsOf(["1/a", "put=x"], ["1/a", "get=q"]), 1);
  assert.is(problemsOf(["1/a", "put=x"], ["1/a", "w>y?"], ["2/b", "get=y"]), 1);
  assert.is(problemsOf(["1/a", "put=x"], ["2/b", "get=z"], ["2/b", "put=z"]), 1);
  assert.is(problemsOf(["1/a", "put=x"], ["2/b", "put=y"], ["2/b", "get=x"], ["2/b", "get=y"]), 1);
});

it.run();
