/** Health of the cluster as one agent sees it: status, gossip members, and the Raft group for operators. */
import { Type } from "typebox";
import { lineageSchema } from "./lineage.ts";
import { answerLanes } from "../../gossip/ports.ts";
import { closed, nullableInteger, nullableString, type Wire } from "./wire.ts";

export const modes = ["normal", "survivor", "read-only"] as const;
export type Mode = (typeof modes)[number];

const peer = Type.Object({ id: Type.String(), name: Type.String() });
const votingPeer = Type.Object({
  id: Type.String(),
  name: Type.String(),
  reachable: Type.Boolean(),
});
const counts = Type.Record(Type.String(), Type.Integer());

export const statusSchema = Type.Object({
  cluster: Type.Union([
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      generation: Type.Integer(),
      generationId: nullableString,
      provisional: Type.Boolean({
        description: "forced without members that are still missing: look at operator recover",
      }),
      missing: Type.Array(peer, {
        description: "left behind by a provisional generation, and neither back nor forgotten",
      }),
      conflicts: Type.Integer({ description: "conflicts of merges that wait for an operator" }),
    }),
    Type.Null(),
  ]),
  node: Type.String({ description: "name of the node whose agent answers" }),
  agentVersion: Type.String(),
  mode: Type.Enum([...modes]),
  leader: Type.Union([peer, Type.Null()]),
  term: Type.Integer(),
  commitIndex: Type.Integer(),
  appliedIndex: Type.Integer(),
  voters: Type.Array(votingPeer),
  standbys: Type.Array(votingPeer),
  nodes: Type.Object({ total: Type.Integer(), byPhase: counts, byReachability: counts }),
  outlook: Type.Optional(
    Type.Union([Type.String(), Type.Null()], {
      description: "what this agent waits for, or what it takes, while no quorum is in sight",
    }),
  ),
  log: Type.Optional(
    Type.Object(
      {
        salvaged: Type.Union([Type.String(), Type.Null()], {
          description: "what was wrong with this agent's log, when it was started over",
        }),
        trusted: Type.Boolean({
          description: "false while it lacks what the agent had acknowledged: it does not vote",
        }),
      },
      { description: "absent from agents of earlier versions" },
    ),
  ),
  membership: Type.Object({
    uncertain: Type.Union([
      Type.Object({
        node: Type.String({ description: "the leader that holds losses back" }),
        reason: Type.String({ description: "LeaderUnwell or MassLoss" }),
        message: Type.String(),
        since: Type.String({ format: "date-time" }),
      }),
      Type.Null(),
    ]),
    removal: Type.Optional(
      Type.Union([
        Type.Object({
          by: Type.Array(Type.String(), {
            description: "members that say that this node was removed from the cluster",
          }),
          index: Type.Integer({ description: "the entry that is said to have removed it" }),
          needed: Type.Integer({
            description: "how many must say so before the agent believes it",
          }),
        }),
        Type.Null(),
      ]),
    ),
  }),
});
export type Status = Wire<typeof statusSchema>;

export const memberSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  address: Type.String(),
  status: Type.Enum(["alive", "suspect", "failed", "left"]),
  incarnation: Type.Integer(),
  rttMs: Type.Union([Type.Number(), Type.Null()], {
    description: "round-trip time of the asked agent's own probes",
  }),
  tags: Type.Record(Type.String(), Type.String()),
  since: Type.String({ format: "date-time", description: "when this status began there" }),
  lane: Type.Union([Type.Enum([...answerLanes]), Type.Null()], {
    description: "how its last answer to a probe came; others: only through other members",
  }),
  datagrams: Type.Boolean({ description: "it takes datagrams" }),
  datagramsPass: Type.Optional(
    Type.Union([Type.Boolean(), Type.Null()], {
      description: "where datagrams are spare: it answered the last ones; null: not tried yet",
    }),
  ),
  degraded: Type.Boolean({ description: "it judges itself slow" }),
  healthScore: Type.Union([Type.Integer(), Type.Null()], {
    description: "of the asked agent itself: 0 is well, 7 the worst; null of others",
  }),
  bootId: Type.String(),
  protocol: Type.Object({ min: Type.Integer(), max: Type.Integer() }),
});
export const listMembersQuery = Type.Object(
  {
    of: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 253,
        description: "node name or peer id: the view of that node's agent instead",
      }),
    ),
  },
  closed,
);
export const membersSchema = Type.Array(memberSchema);
export type Member = Wire<typeof memberSchema>;

export const raftQuery = Type.Object(
  {
    stateHash: Type.Optional(
      Type.Boolean({ description: "also hash the whole replicated state, which costs CPU" }),
    ),
  },
  closed,
);

/** What this agent's Raft instance knows; `peers` is filled on the leader only. */
export const raftSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: Type.String({ description: "leader, follower, candidate, …" }),
  term: Type.Integer(),
  leader: Type.Union([peer, Type.Null()]),
  leaderContactMs: nullableInteger,
  quorumLost: Type.Boolean(),
  health: Type.Enum(["ok", "failed"]),
  lineage: lineageSchema,
  firstIndex: Type.Integer(),
  lastIndex: Type.Integer(),
  commitIndex: Type.Integer(),
  appliedIndex: Type.Integer(),
  snapshotIndex: Type.Integer(),
  stateHash: Type.Union(
    [Type.Object({ index: Type.Integer(), sha256: Type.String() }), Type.Null()],
    {
      description:
        "of the replicated state as of `index`: equal on all agents; null unless asked for",
    },
  ),
  configuration: Type.Object({
    index: Type.Integer(),
    voters: Type.Array(Type.Array(Type.String()), {
      description: "one set of peer ids; two while the configuration changes",
    }),
    standbys: Type.Array(Type.String()),
    observers: Type.Array(Type.String()),
    lost: Type.Array(Type.String()),
    names: Type.Record(Type.String(), Type.String(), {
      description: "names of nodes by the ids of their agents",
    }),
  }),
  peers: Type.Array(
    Type.Object({
      id: Type.String(),
      name: nullableString,
      state: Type.String(),
      matchIndex: Type.Integer(),
      nextIndex: Type.Integer(),
      inflight: Type.Integer(),
      caughtUp: Type.Boolean({ description: "near enough to the leader to be made a voter" }),
    }),
  ),
});
export type Raft = Wire<typeof raftSchema>;

export const transferRequest = Type.Object(
  {
    to: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: "node name or peer id of a voter" }),
    ),
  },
  { additionalProperties: false },
);
export const transferSchema = Type.Object({ leader: Type.Union([peer, Type.Null()]) });

/** Answer of /healthz and /readyz. */
export const probeSchema = Type.Object({ status: Type.String() });
