/**
 * Broken twins: production with a line of its source changed while it is loaded. The simulator must catch each of them;
 * one it cannot catch is a check that is missing.
 */
import { type Edit } from "./mutant-loader.ts";
import {
  type Aim,
  damagedDisks,
  leadersDieMidWrite,
  leadersDieYoung,
  lostAnswers,
  powerCuts,
  type ProfileName,
  reconfiguration,
  sleepyLeaders,
  slowDisks,
} from "./profiles.ts";

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The runs in which it shows. */
  readonly profile?: ProfileName;
  readonly aim: Aim;
  /** False: the observer looks at consequences only, not at whether acknowledgements wait for the disk. */
  readonly direct?: boolean;
}

/** Each is a mistake that real implementations made, or a rule of the design left out. */
export const mutants: readonly Mutant[] = [
  {
    name: "commits entries of older terms by counting replicas (figure 8)",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/core/commit.ts",
        find: "if (index <= state.commit || state.log.termAt(index) !== state.term) return false;",
        replace: "if (index <= state.commit) return false;",
      },
    ],
  },
  {
    name: "answers reads without a round of heartbeats",
    aim: sleepyLeaders,
    edits: [
      {
        file: "consensus/core/read-index.ts",
        find: "const acknowledged = quorumValue(",
        replace: "const acknowledged = reads.round + 0 * quorumValue(",
      },
    ],
  },
  {
    name: "answers reads before an entry of the own term is committed",
    aim: sleepyLeaders,
    edits: [
      {
        file: "consensus/core/read-index.ts",
        find: "leader.reads.queued.length > 0 && committedOwnTerm(state)",
        replace: "leader.reads.queued.length > 0",
      },
      {
        file: "consensus/core/read-index.ts",
        find: 'assert(committedOwnTerm(state), "a read waits',
        replace: 'assert(true, "a read waits',
      },
    ],
  },
  {
    name: "changes the configuration before an entry of the own term is committed (C2 dropped)",
    aim: reconfiguration(4, 4),
    edits: [
      {
        file: "consensus/core/reconfigure.ts",
        find: "if (!committedOwnTerm(state)) return `C2",
        replace: "if (state.term < 0) return `C2",
      },
      {
        file: "consensus/core/reconfigure.ts",
        find: "assert(committedOwnTerm(state), ",
        replace: "assert(true, ",
      },
    ],
  },
  {
    name: "changes the configuration while another change is uncommitted (C1 dropped)",
    aim: reconfiguration(3, 4),
    edits: [
      {
        file: "consensus/core/reconfigure.ts",
        find: "if (index > state.commit && !goesOnAlone)",
        replace: "if (index < 0 && !goesOnAlone)",
      },
      {
        file: "consensus/core/reconfigure.ts",
        find: 'state.configs.votersAreCommitted(state.commit),\n    "one',
        replace: 'true,\n    "one',
      },
    ],
  },
  {
    name: "swaps two voters in one step (C3 dropped)",
    aim: reconfiguration(4, 6),
    edits: [
      {
        file: "consensus/core/config-change.ts",
        find: "return enterJoint(from, moves, true);",
        replace: "return changeSimply(from, moves);",
      },
      {
        file: "consensus/core/config-change.ts",
        find: "if (difference(incoming(from), incoming(next)) > 1) {",
        replace: "if (difference(incoming(from), incoming(next)) > 2) {",
      },
    ],
  },
  {
    name: "keeps a configuration whose entry was truncated (C4 dropped)",
    aim: reconfiguration(4, 5),
    edits: [
      {
        file: "consensus/core/follower.ts",
        find: "configs.truncateFrom(first);",
        replace:
          "if (configs.effective.index >= first) configs.truncateFrom(configs.effective.index + 1);",
      },
      {
        file: "consensus/core/config-history.ts",
        find: "    assert(configuration.index > this.effective.index, ",
        replace: "    assert(true, ",
      },
    ],
  },
  {
    name: "votes for candidates with older logs",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/core/election.ts",
        find: "if (!open || !mayVote(state) || !log.isUpToDate(request.lastIndex, request.lastTerm)) {",
        replace: "if (!open) {",
      },
    ],
  },
  {
    name: "votes twice in a term",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/core/election.ts",
        find: "const free = state.vote === request.from || (state.vote === null && state.leader === null);",
        replace: 'const free = state.leader === null && state.role.name === "follower";',
      },
    ],
  },
  {
    name: "cuts its log at every append, be it old or not",
    aim: slowDisks,
    edits: [
      {
        file: "consensus/core/follower.ts",
        find: "return entry?.index ?? null;",
        replace: "return entry?.index ?? entries[0]?.index ?? null;",
      },
    ],
  },
  {
    name: "lets a late write vouch for entries that replaced the written ones",
    aim: leadersDieMidWrite,
    edits: [
      { file: "consensus/core/follower.ts", find: "writes.truncateFrom(first);", replace: "" },
    ],
  },
  {
    name: "the leader counts its own log before its disk has it",
    aim: slowDisks,
    edits: [
      {
        file: "consensus/core/commit.ts",
        find: "quorumValue(sets, (id) => leader.peers.get(id)?.match ?? 0);",
        replace:
          "quorumValue(sets, (id) => id === state.self ? state.log.last : (leader.peers.get(id)?.match ?? 0));",
      },
    ],
  },
  {
    name: "tells followers the commit index beyond what is known to match",
    aim: slowDisks,
    edits: [
      {
        file: "consensus/core/replication.ts",
        find: "const commit = Math.min(progress.match, state.commit);",
        replace: "const commit = state.commit;",
      },
    ],
  },
  {
    name: "acknowledges a snapshot before it is durable",
    aim: slowDisks,
    direct: true,
    edits: [
      {
        file: "consensus/core/follower.ts",
        find: "outbox.sendWhenDurable({ ...ack, index: commit",
        replace: "outbox.send({ ...ack, index: commit",
      },
    ],
  },
  {
    name: "wins an election with half of the votes",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/core/quorum.ts",
        find: "if (granted >= needed) return",
        replace: "if (granted >= Math.max(1, needed - 1)) return",
      },
    ],
  },
  {
    name: "acknowledges before the disk has it, by what the disk holds",
    aim: leadersDieYoung,
    direct: true,
    edits: [
      {
        file: "consensus/driver/log-writer.ts",
        find: "await this.#log.append({ ...merged, hardState });",
        replace: "this.#log.append({ ...merged, hardState }).catch(() => {});",
      },
    ],
  },
  {
    name: "acknowledges before the disk has it, by its consequences",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/driver/log-writer.ts",
        find: "await this.#log.append({ ...merged, hardState });",
        replace: "this.#log.append({ ...merged, hardState }).catch(() => {});",
      },
    ],
  },
  {
    name: "does not sync what it writes",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/storage/level-log.ts",
        find: "batch(batch, { sync });",
        replace: "batch(batch, { sync: false });",
      },
    ],
  },
  {
    name: "forgets its vote in a crash",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/storage/level-log.ts",
        find: "hardState: { ...hardState, commit:",
        replace: "hardState: { ...hardState, vote: null, commit:",
      },
    ],
  },
  {
    name: "does not store its vote",
    aim: leadersDieYoung,
    edits: [
      {
        file: "consensus/storage/level-log.ts",
        find: "const hardState = op.hardState ?? this.#hardState;",
        replace: "const hardState = { ...(op.hardState ?? this.#hardState), vote: null };",
      },
    ],
  },
  {
    name: "drops what was not known to be committed in a crash",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/driver/recovery.ts",
        find: "return { recovered: { ...joined, applied",
        replace:
          "const end = Math.max(joined.firstIndex - 1, joined.hardState.commit);\n" +
          "  const tail = joined.tail.filter((entry) => entry.index <= end);\n" +
          "  const termRuns = joined.termRuns.filter((run) => run.first <= end);\n" +
          "  return { recovered: { ...joined, lastIndex: end, tail, termRuns, applied",
      },
    ],
  },
  {
    name: "writes no watermark",
    aim: damagedDisks,
    edits: [
      {
        file: "consensus/storage/meta-file.ts",
        find: "await slot.write(block, 0, slotBytes, 0);",
        replace: "",
      },
    ],
  },
  {
    name: "does not wait for the watermark",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/storage/meta-file.ts",
        find: "await slot.write(block, 0, slotBytes, 0);",
        replace: "slot.write(block, 0, slotBytes, 0).catch(() => {});",
      },
    ],
  },
  {
    name: "trusts bytes without a checksum",
    aim: damagedDisks,
    edits: [
      {
        file: "consensus/storage/frame.ts",
        find: "if (crc32(bytes.subarray(firstAt)) !== bytes.readUInt32BE(crcAt)) return null;",
        replace: "",
      },
      {
        file: "consensus/storage/log-scan.ts",
        find: 'if (!chainHolds(frame)) return "does not match its hash chain";',
        replace: "",
      },
    ],
  },
  {
    name: "does not notice a hole in the log",
    aim: damagedDisks,
    edits: [
      {
        file: "consensus/storage/log-scan.ts",
        find: "if (frame.first !== expected) return",
        replace: "if (frame.first < expected) return",
      },
      {
        file: "consensus/storage/log-scan.ts",
        find: 'if (frame.chainBefore !== index.chain) return "does not continue the hash chain";',
        replace: "",
      },
    ],
  },
  {
    name: "forgets the log before its snapshot is durable",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/storage/snapshot-writer.ts",
        find: "await this.#handle.sync();",
        replace: "",
      },
    ],
  },
  {
    name: "does not make the name of a snapshot durable",
    aim: powerCuts,
    edits: [
      {
        file: "consensus/storage/snapshot-writer.ts",
        find: "await files.syncDirectory(directory);",
        replace: "",
      },
    ],
  },
  {
    name: "does not recognise a request it has carried out",
    aim: lostAnswers,
    edits: [
      {
        file: "inventory/exactly-once.ts",
        find: "if (before?.seq === origin.seq) return before.result;",
        replace: "",
      },
      {
        file: "inventory/exactly-once.ts",
        find: "if (origin.seq <= session.floor) {",
        replace: "if (origin.seq < 0) {",
      },
    ],
  },
  {
    name: "does not recognise an Idempotency-Key",
    aim: lostAnswers,
    edits: [
      {
        file: "inventory/exactly-once.ts",
        find: "if (before === null || isOver(before, draft.at)) return null;",
        replace: "if (before === null || before.digest === digest) return null;",
      },
    ],
  },
  {
    name: "answers a read before it has applied what was committed",
    aim: slowDisks,
    edits: [
      {
        file: "consensus/driver/read-barriers.ts",
        find: "if (index <= appliedIndex) barrier.resolve(index);",
        replace: "if (index <= Infinity) barrier.resolve(index);",
      },
    ],
  },
  {
    name: "says that nothing happened when it does not know",
    aim: lostAnswers,
    edits: [
      {
        file: "consensus/driver/submitter.ts",
        find: 'request.sent ||= fate === "unknown";',
        replace: "",
      },
      {
        file: "consensus/driver/submitter.ts",
        find: "const { index, term } = await promise;\n    request.sent = true;",
        replace: "const { index, term } = await promise;",
      },
    ],
  },
];
