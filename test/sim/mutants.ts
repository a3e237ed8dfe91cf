/**
 * Broken twins: the core with one line of its source changed while it is loaded. Production code needs no switches
 * for this, and a mutant that no longer fits the source fails loudly instead of testing nothing.
 */
import { registerHooks } from "node:module";
import { type CoreFactory } from "./node.ts";
import { type Profile } from "./profile.ts";
import { leadersDieYoung, reconfiguration, sleepyLeaders, slowDisks } from "./profiles.ts";

export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The runs in which it shows. */
  readonly profile: Partial<Profile>;
  /** False: the observer looks at consequences only, not at whether acknowledgements wait for the disk. */
  readonly direct?: boolean;
}

const coreFolder = new URL("../../src/consensus/core/", import.meta.url).href;

/** The core of this mutant: its own copies of all modules of the core. */
export async function loadMutant(mutant: Mutant, slot: number): Promise<CoreFactory> {
  const query = `?mutant=${slot}`;
  const applied = new Set<Edit>();
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const inherits = context.parentURL?.endsWith(query) === true;
      if (!inherits || !resolved.url.startsWith(coreFolder)) return resolved;
      return { ...resolved, url: resolved.url + query };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith(query)) return loaded;
      const file = url.slice(coreFolder.length, -query.length);
      let source = String(loaded.source);
      for (const edit of mutant.edits) {
        if (edit.file !== file) continue;
        if (source.split(edit.find).length !== 2) {
          throw new Error(`mutant "${mutant.name}" does not fit ${file} exactly once`);
        }
        source = source.replace(edit.find, () => edit.replace);
        applied.add(edit);
      }
      return { ...loaded, source };
    },
  });
  try {
    const module = (await import(`${coreFolder}raft.ts${query}`)) as { createCore: CoreFactory };
    if (applied.size !== mutant.edits.length) {
      throw new Error(`mutant "${mutant.name}" edits a file that the core does not load`);
    }
    return module.createCore;
  } finally {
    hooks.deregister();
  }
}

/** Each is a mistake that real implementations made, or a rule of the design left out. */
export const mutants: readonly Mutant[] = [
  {
    name: "commits entries of older terms by counting replicas (figure 8)",
    profile: leadersDieYoung,
    edits: [
      {
        file: "commit.ts",
        find: "if (index <= state.commit || state.log.termAt(index) !== state.term) return false;",
        replace: "if (index <= state.commit) return false;",
      },
    ],
  },
  {
    name: "answers reads without a round of heartbeats",
    profile: sleepyLeaders,
    edits: [
      {
        file: "read-index.ts",
        find: "const acknowledged = quorumValue(",
        replace: "const acknowledged = reads.round + 0 * quorumValue(",
      },
    ],
  },
  {
    name: "answers reads before an entry of the own term is committed",
    profile: sleepyLeaders,
    edits: [
      {
        file: "read-index.ts",
        find: "leader.reads.queued.length > 0 && committedOwnTerm(state)",
        replace: "leader.reads.queued.length > 0",
      },
      {
        file: "read-index.ts",
        find: 'assert(committedOwnTerm(state), "a read waits',
        replace: 'assert(true, "a read waits',
      },
    ],
  },
  {
    name: "changes the configuration before an entry of the own term is committed (C2 dropped)",
    profile: reconfiguration(4, 4),
    edits: [
      {
        file: "reconfigure.ts",
        find: "if (!committedOwnTerm(state)) return `C2",
        replace: "if (state.term < 0) return `C2",
      },
      {
        file: "reconfigure.ts",
        find: "assert(committedOwnTerm(state), ",
        replace: "assert(true, ",
      },
    ],
  },
  {
    name: "changes the configuration while another change is uncommitted (C1 dropped)",
    profile: reconfiguration(3, 4),
    edits: [
      {
        file: "reconfigure.ts",
        find: "if (index > state.commit) return `C1",
        replace: "if (index < 0) return `C1",
      },
      {
        file: "reconfigure.ts",
        find: 'effectiveConfig(state).index <= state.commit,\n    "one',
        replace: 'true,\n    "one',
      },
    ],
  },
  {
    name: "swaps two voters in one step (C3 dropped)",
    profile: reconfiguration(3, 4),
    edits: [
      {
        file: "config-change.ts",
        find: "return enterJoint(from, moves, true);",
        replace: "return changeSimply(from, moves);",
      },
      {
        file: "config-change.ts",
        find: "if (difference(incoming(from), incoming(next)) > 1) {",
        replace: "if (difference(incoming(from), incoming(next)) > 2) {",
      },
    ],
  },
  {
    name: "keeps a configuration whose entry was truncated (C4 dropped)",
    profile: reconfiguration(4, 5),
    edits: [
      {
        file: "follower.ts",
        find: "configs.truncateFrom(first);",
        replace:
          "if (configs.effective.index >= first) configs.truncateFrom(configs.effective.index + 1);",
      },
      {
        file: "config-history.ts",
        find: "    assert(configuration.index > this.effective.index, ",
        replace: "    assert(true, ",
      },
    ],
  },
  {
    name: "votes for candidates with older logs",
    profile: leadersDieYoung,
    edits: [
      {
        file: "election.ts",
        find: "if (!open || !log.isUpToDate(request.lastIndex, request.lastTerm)) {",
        replace: "if (!open) {",
      },
    ],
  },
  {
    name: "votes twice in a term",
    profile: leadersDieYoung,
    edits: [
      {
        file: "election.ts",
        find: "const free = state.vote === request.from || (state.vote === null && state.leader === null);",
        replace: 'const free = state.leader === null && state.role.name === "follower";',
      },
    ],
  },
  {
    name: "cuts its log at every append, be it old or not",
    profile: slowDisks,
    edits: [
      {
        file: "follower.ts",
        find: "return entry?.index ?? null;",
        replace: "return entry?.index ?? entries[0]?.index ?? null;",
      },
    ],
  },
  {
    name: "lets a late write vouch for entries that replaced the written ones",
    profile: leadersDieYoung,
    edits: [{ file: "follower.ts", find: "writes.truncateFrom(first);", replace: "" }],
  },
  {
    name: "the leader counts its own log before its disk has it",
    profile: slowDisks,
    edits: [
      {
        file: "commit.ts",
        find: "quorumValue(sets, (id) => leader.peers.get(id)?.match ?? 0);",
        replace:
          "quorumValue(sets, (id) => id === state.self ? state.log.last : (leader.peers.get(id)?.match ?? 0));",
      },
    ],
  },
  {
    name: "tells followers the commit index beyond what is known to match",
    profile: slowDisks,
    edits: [
      {
        file: "replication.ts",
        find: "const commit = Math.min(progress.match, state.commit);",
        replace: "const commit = state.commit;",
      },
    ],
  },
  {
    name: "acknowledges a snapshot before it is durable",
    profile: slowDisks,
    direct: true,
    edits: [
      {
        file: "follower.ts",
        find: "outbox.sendWhenDurable({ ...ack, index: commit",
        replace: "outbox.send({ ...ack, index: commit",
      },
    ],
  },
  {
    name: "wins an election with half of the votes",
    profile: leadersDieYoung,
    edits: [
      {
        file: "quorum.ts",
        find: "if (granted >= needed) return",
        replace: "if (granted >= Math.max(1, needed - 1)) return",
      },
    ],
  },
];
