/**
 * Independent data: transcripts of whole clusters published with etcd's raft library, played on our core. Every
 * directive is answered alike, but for the differences listed here with their reasons; what is not listed is red, and
 * so is a listed difference that is none any more.
 */
import path from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  conformanceFolder,
  dataFiles,
  readDirectives,
  type Directive,
} from "../../../support/datadriven.ts";
import {
  endOfTurn,
  newestCommit,
  normalise,
  quietProbe,
  refusedAtOnce,
  sentWithTheTurn,
  soonerOutOfOffice,
  syncedSnapshot,
  wholeConfiguration,
  type Difference,
} from "../../../support/interaction/differences.ts";
import { InteractionEnvironment } from "../../../support/interaction/environment.ts";

const { folder, reason } = conformanceFolder("etcd-raft/testdata");
const it = suite(`consensus: etcd's transcripts${folder === null ? ` (skipped: ${reason})` : ""}`);

interface Transcript {
  readonly directives: number;
  /** By line. */
  readonly differences?: Readonly<Record<number, Difference>>;
  /** Directives that are not played, by line, and why. */
  readonly leftOut?: Readonly<Record<number, string>>;
  /** Their leader sends each proposal in an append of its own; ours does when no more than one entry fits. */
  readonly oneEntryPerAppend?: boolean;
  /** Their candidate asks for votes while its own vote is being written; ours waits until that is durable. */
  readonly asksWhileWriting?: boolean;
}

const transcripts: Readonly<Record<string, Transcript>> = {
  "async_storage_writes.txt": { directives: 44, asksWhileWriting: true },
  "async_storage_writes_append_aba_race.txt": {
    directives: 47,
    asksWhileWriting: true,
    differences: { 222: refusedAtOnce, 466: refusedAtOnce },
  },
  "campaign.txt": { directives: 4 },
  "campaign_learner_must_vote.txt": { directives: 12, differences: { 90: wholeConfiguration } },
  "checkquorum.txt": {
    directives: 15,
    differences: { 67: soonerOutOfOffice },
    leftOut: { 60: "the leader stepped down with the first election timeout of silence" },
  },
  "forget_leader.txt": { directives: 29 },
  "forget_leader_prevote_checkquorum.txt": { directives: 29 },
  "heartbeat_resp_recovers_from_probing.txt": { directives: 11 },
  "lagging_commit.txt": {
    directives: 17,
    oneEntryPerAppend: true,
    differences: { 66: newestCommit, 108: newestCommit },
  },
  "prevote.txt": { directives: 16, differences: { 85: endOfTurn } },
  "prevote_checkquorum.txt": { directives: 18 },
  "probe_and_replicate.txt": { directives: 74, differences: { 571: endOfTurn } },
  "replicate_pause.txt": {
    directives: 32,
    oneEntryPerAppend: true,
    differences: { 95: sentWithTheTurn },
  },
  "single_node.txt": { directives: 4 },
  "slow_follower_after_compaction.txt": { directives: 25, oneEntryPerAppend: true },
  "snapshot_succeed_via_app_resp.txt": {
    directives: 18,
    differences: { 42: quietProbe, 107: syncedSnapshot },
  },
  "snapshot_succeed_via_app_resp_behind.txt": {
    directives: 25,
    differences: { 49: quietProbe, 84: quietProbe, 142: syncedSnapshot },
  },
};

/** Transcripts that are not played at all, by the beginning of their names, and why. */
const unplayed: Readonly<Record<string, string>> = {
  confchange_: "their configurations are active when applied, ours when appended",
  forget_leader_read_only_lease_based: "shows what lease reads forbid, and there are none here",
};

/** Our core draws a timeout when its timer starts, so what a transcript sets later is drawn from the beginning. */
function timeoutsOf(directives: readonly Directive[]): ReadonlyMap<string, number> {
  const set = directives.filter(({ command }) => command === "set-randomized-election-timeout");
  return new Map(set.map(({ words, args }) => [words[0] ?? "", Number(args.get("timeout")?.[0])]));
}

function environmentFor(transcript: Transcript, directives: readonly Directive[]) {
  return new InteractionEnvironment({
    core: transcript.oneEntryPerAppend === true ? { maxAppendBytes: 1 } : {},
    asksWhileWriting: transcript.asksWhileWriting === true,
    timeouts: timeoutsOf(directives),
  });
}

function lineOf({ at }: Directive): number {
  return Number(at.split(":")[1]);
}

function play(file: string, transcript: Transcript): void {
  const { differences = {}, leftOut = {} } = transcript;
  const directives = readDirectives(file);
  const environment = environmentFor(transcript, directives);
  for (const directive of directives) {
    const { at, command, words, expected } = directive;
    const line = lineOf(directive);
    if (line in leftOut) continue;
    const title = `${at} ${command} ${words.join(" ")}`;
    const ours = normalise(environment.run(directive));
    const theirs = normalise(expected);
    const difference = differences[line];
    if (difference === undefined) {
      assert.equal(ours, theirs, title);
    } else {
      assert.not.equal(ours, theirs, `${title} differs: ${difference.reason}`);
      assert.equal(difference.form(ours), difference.form(theirs), title);
    }
  }
  const listed = [...Object.keys(differences), ...Object.keys(leftOut)].map(Number);
  const lines = new Set(directives.map(lineOf));
  assert.ok(
    listed.every((line) => lines.has(line)),
    "every listed line begins a directive",
  );
  assert.is(directives.length, transcript.directives, "all directives were read");
}

const files = new Map(
  (folder === null ? [] : dataFiles(folder)).map((file) => [path.basename(file), file]),
);
for (const [name, transcript] of Object.entries(transcripts)) {
  const file = files.get(name);
  (folder === null ? it.skip : it)(`${name}: our cores answer all directives alike`, () => {
    assert.ok(file !== undefined, `${name} is among the data`);
    play(file ?? "", transcript);
  });
}

(folder === null ? it.skip : it)("every published transcript is played or has its reason", () => {
  const known = [...Object.keys(transcripts), ...Object.keys(unplayed)];
  const unknown = [...files.keys()].filter((name) => !known.some((part) => name.startsWith(part)));
  assert.equal(unknown, []);
});

it.run();
