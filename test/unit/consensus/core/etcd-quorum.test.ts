/** Independent data: the quorum directives published with etcd's raft library. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { quorumValue, unbounded, voteOutcome } from "../../../../src/consensus/core/quorum.ts";
import {
  conformanceFolder,
  dataFiles,
  readDirectives,
  type Directive,
} from "../../../support/datadriven.ts";

const { folder, reason } = conformanceFolder("etcd-raft/quorum/testdata");
const it = suite(`consensus: etcd's quorum data${folder === null ? ` (skipped: ${reason})` : ""}`);

interface Case {
  readonly sets: readonly (readonly string[])[];
  readonly ids: readonly string[];
  /** One per id; "_" is unknown. */
  readonly values: ReadonlyMap<string, string>;
}

function caseOf({ args }: Directive, values: string): Case {
  const incoming = args.get("cfg") ?? [];
  const joint = args.get("cfgj");
  const outgoing = joint === undefined || joint[0] === "zero" ? [] : joint;
  const ids = [...new Set([...incoming, ...outgoing])];
  const given = args.get(values) ?? [];
  assert.is(given.length, ids.length, "one value per voter");
  return {
    sets: joint === undefined ? [incoming] : [incoming, outgoing],
    ids,
    values: new Map(ids.map((id, i) => [id, given[i] ?? "_"])),
  };
}

function committed(directive: Directive): string {
  const { sets, ids, values } = caseOf(directive, "idx");
  const reached = (id: string): number => Number((values.get(id) ?? "_").replace("_", "0"));
  const value = quorumValue(sets, reached);
  assert.is(quorumValue([...sets].reverse(), reached), value, "the order of the sets is nothing");
  assert.is(quorumValue([...sets, []], reached), value, "an empty set changes nothing");
  assert.is(quorumValue([...sets, ...sets], reached), value, "a repeated set changes nothing");
  return `${plot(ids, values)}${value === unbounded ? "∞" : String(value)}`;
}

/** The directives draw each voter's value as a bar: as long as the number of voters that have reached less. */
function plot(ids: readonly string[], values: ReadonlyMap<string, string>): string {
  if (ids.length === 0) return "<empty majority quorum>";
  const number = (id: string): number => Number((values.get(id) ?? "_").replace("_", "0"));
  const width = ids.length;
  const lines = [...ids]
    .sort((a, b) => Number(a) - Number(b))
    .map((id) => {
      const behind = ids.filter((other) => number(other) < number(id)).length;
      const known = values.get(id) !== "_";
      const bar = known
        ? `${"x".repeat(behind)}>${" ".repeat(width - behind)}`
        : `?${" ".repeat(width)}`;
      return `${bar} ${String(number(id)).padStart(5)}    (id=${id})`;
    });
  return `${" ".repeat(width)}    idx\n${lines.join("\n")}\n`;
}

const outcomes = { won: "VoteWon", lost: "VoteLost", pending: "VotePending" };
const ballots = new Map([
  ["y", true],
  ["n", false],
]);

function vote(directive: Directive): string {
  const { sets, values } = caseOf(directive, "votes");
  const outcome = voteOutcome(sets, (id) => ballots.get(values.get(id) ?? "_"));
  const reversed = voteOutcome([...sets].reverse(), (id) => ballots.get(values.get(id) ?? "_"));
  assert.is(reversed, outcome, "the order of the sets is nothing");
  return outcomes[outcome];
}

let checked = 0;
for (const file of folder === null ? [] : dataFiles(folder)) {
  for (const directive of readDirectives(file)) {
    it(`${directive.at} ${directive.command} ${directive.words.join(" ")}`, () => {
      const answer = directive.command === "vote" ? vote(directive) : committed(directive);
      assert.is(answer, directive.expected);
      checked += 1;
    });
  }
}

(folder === null ? it.skip : it)("agrees with all 127 directives", () => {
  assert.is(checked, 127);
});

it.run();
