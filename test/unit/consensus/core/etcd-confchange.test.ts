/** Independent data: the configuration change directives published with etcd's raft library. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  changeSimply,
  enterJoint,
  leaveJoint,
  type ChangeResult,
  type Move,
} from "../../../../src/consensus/core/config-change.ts";
import {
  emptyConfiguration,
  incoming,
  isJoint,
  outgoing,
  replicationTargets,
} from "../../../../src/consensus/core/configuration.ts";
import { Progress } from "../../../../src/consensus/core/progress.ts";
import { type Configuration } from "../../../../src/consensus/core/types.ts";
import {
  conformanceFolder,
  dataFiles,
  readDirectives,
  type Directive,
} from "../../../support/datadriven.ts";

const { folder, reason } = conformanceFolder("etcd-raft/confchange/testdata");
const it = suite(`consensus: etcd's changes${folder === null ? ` (skipped: ${reason})` : ""}`);

const roles = { v: "voter", l: "standby", r: null } as const;

/** "v1 l2 r3 u4": voter, learner, remove, update (which changes nothing). Node 0 means nobody. */
function movesOf(input: string): readonly Move[] {
  return input
    .split(/\s+/)
    .filter((word) => /^[vlr][1-9]/.test(word))
    .map((word) => ({ node: word.slice(1), to: roles[word[0] as keyof typeof roles] }));
}

/** What a leader tracks: who is new starts at the log position of the change. */
class Tracker {
  configuration: Configuration = emptyConfiguration;
  readonly peers = new Map<string, Progress>();
  #lastIndex = 0;

  run(directive: Directive): string {
    const result = this.#change(directive);
    if (result.ok) this.#follow(result.next);
    this.#lastIndex += 1;
    return result.ok ? this.#describe() : result.detail;
  }

  #change({ command, args, input }: Directive): ChangeResult {
    const moves = movesOf(input);
    if (command === "simple") return changeSimply(this.configuration, moves);
    if (command === "leave-joint") return leaveJoint(this.configuration);
    return enterJoint(this.configuration, moves, args.get("autoleave")?.[0] === "true");
  }

  #follow(next: Configuration): void {
    this.configuration = next;
    const targets = replicationTargets(next);
    for (const id of this.peers.keys()) if (!targets.includes(id)) this.peers.delete(id);
    const limits = { maxInflightMessages: 10, maxInflightBytes: 1000 };
    for (const id of targets) {
      if (!this.peers.has(id))
        this.peers.set(id, new Progress(Math.max(1, this.#lastIndex), limits));
    }
  }

  #describe(): string {
    const c = this.configuration;
    const list = (ids: readonly string[]): string => `(${sorted(ids).join(" ")})`;
    const parts = [`voters=${list(incoming(c))}${isJoint(c) ? `&&${list(outgoing(c))}` : ""}`];
    if (c.standbys.length > 0) parts.push(`learners=${list(c.standbys)}`);
    if (c.standbysNext.length > 0) parts.push(`learners_next=${list(c.standbysNext)}`);
    if (c.autoLeave) parts.push("autoleave");
    const lines = sorted([...this.peers.keys()]).map((id) => this.#describePeer(id));
    return [parts.join(" "), ...lines].join("\n");
  }

  #describePeer(id: string): string {
    const { match, next, state } = this.peers.get(id)?.describe() ?? {
      match: -1,
      next: 0,
      state: "",
    };
    const learner = this.configuration.standbys.includes(id) ? " learner" : "";
    const name = state === "probe" ? "StateProbe" : state;
    return `${id}: ${name} match=${match} next=${next}${learner}`;
  }
}

function sorted(ids: readonly string[]): readonly string[] {
  return [...ids].sort((a, b) => Number(a) - Number(b));
}

let checked = 0;
for (const file of folder === null ? [] : dataFiles(folder)) {
  const tracker = new Tracker();
  for (const directive of readDirectives(file)) {
    it(`${directive.at} ${directive.command} ${directive.input}`, () => {
      assert.is(tracker.run(directive), directive.expected);
      checked += 1;
    });
  }
}

(folder === null ? it.skip : it)("agrees with all 58 directives", () => {
  assert.is(checked, 58);
});

it.run();
