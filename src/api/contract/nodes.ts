/** Nodes: what a machine is, where it is in its life, what the operator wants of it, what was applied to it. */
import { Type } from "typebox";
import { conditionTypes } from "../../inventory/conditions.ts";
import { phases, reachabilities } from "../../inventory/records.ts";
import {
  anyJson,
  closed,
  name,
  nullableInteger,
  nullableString,
  page,
  time,
  variables,
  version,
  type Wire,
} from "./wire.ts";

export const phaseSchema = Type.Enum([...phases]);
export const reachabilitySchema = Type.Enum([...reachabilities]);

/** What the agent found on its machine; sizes in bytes. */
export const factsSchema = Type.Object({
  hostname: Type.String(),
  os: Type.String(),
  osVersion: Type.String(),
  kernel: Type.String(),
  arch: Type.String(),
  bootId: Type.String(),
  serial: Type.String(),
  machineId: Type.String(),
  cpu: Type.Object({ model: Type.String(), count: Type.Integer() }),
  memory: Type.Object({ totalBytes: Type.Integer() }),
  disks: Type.Array(
    Type.Object({ name: Type.String(), sizeBytes: Type.Integer(), rotational: Type.Boolean() }),
  ),
  filesystems: Type.Array(
    Type.Object({ mount: Type.String(), type: Type.String(), sizeBytes: Type.Integer() }),
  ),
  nics: Type.Array(
    Type.Object({
      name: Type.String(),
      mac: Type.String(),
      addresses: Type.Array(Type.String()),
    }),
  ),
  virtualization: Type.String(),
  agentVersion: Type.String(),
  pythonPath: nullableString,
});

export const conditionSchema = Type.Object({
  type: Type.Enum([...conditionTypes]),
  status: Type.Enum(["True", "Drifted", "Broken", "Unknown", "False"]),
  reason: Type.String(),
  message: Type.String(),
  since: time,
});

export const historyEntrySchema = Type.Object({
  at: time,
  index: Type.Integer(),
  kind: Type.Enum(["phase", "reachability", "spec", "labels", "address", "discovered"]),
  from: nullableString,
  to: Type.String(),
  by: Type.String(),
  reason: Type.String(),
  job: nullableString,
});
export type HistoryEntry = Wire<typeof historyEntrySchema>;

export const nodeSchema = Type.Object({
  name: Type.String(),
  id: Type.String({ description: "peer id of its agent" }),
  phase: phaseSchema,
  reachability: reachabilitySchema,
  roles: Type.Array(Type.String()),
  labels: Type.Record(Type.String(), Type.String()),
  vars: Type.Record(Type.String(), anyJson),
  facts: Type.Union([factsSchema, Type.Null()]),
  address: Type.String(),
  revision: nullableString,
  conditions: Type.Array(conditionSchema),
  job: Type.Union([Type.String(), Type.Null()], { description: "job that holds it now" }),
  lastJob: nullableString,
  history: Type.Array(historyEntrySchema, {
    description: "the newest entries, oldest of them first; all kept ones are at …/history",
  }),
  version,
});
export type Node = Wire<typeof nodeSchema>;
export const nodesSchema = page(nodeSchema);

export const listNodesQuery = Type.Object(
  {
    selector: Type.Optional(
      Type.String({ maxLength: 4096, description: "rack=r1,role=web,phase=commissioned" }),
    ),
    phase: Type.Optional(phaseSchema),
    role: Type.Optional(name),
    reachability: Type.Optional(reachabilitySchema),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
  },
  closed,
);

/** RFC 7396 merge patch of what the operator owns; `roles` is replaced whole. */
export const patchNodeRequest = Type.Object(
  {
    labels: Type.Optional(
      Type.Record(
        Type.String({ minLength: 1, maxLength: 63 }),
        Type.Union([Type.String({ maxLength: 255 }), Type.Null()]),
        { maxProperties: 128 },
      ),
    ),
    roles: Type.Optional(Type.Array(name, { maxItems: 64, uniqueItems: true })),
    vars: Type.Optional(variables),
  },
  closed,
);

export const forgetNodeQuery = Type.Object({ force: Type.Optional(Type.Boolean()) }, closed);

export const ledgerEntrySchema = Type.Object({
  run: Type.String(),
  job: Type.String(),
  role: Type.String(),
  action: Type.Enum(["configure", "verify", "cleanup", "upgrade"]),
  attempt: Type.Integer(),
  revision: Type.String(),
  outcome: Type.Enum(["succeeded", "drifted", "failed", "timed-out", "cancelled", "lost"]),
  exitCode: nullableInteger,
  signal: nullableInteger,
  startedAt: time,
  endedAt: time,
  message: Type.String(),
  vars: Type.Record(Type.String(), anyJson),
  varsDigest: Type.String(),
});
export type LedgerEntry = Wire<typeof ledgerEntrySchema>;
export const ledgerSchema = page(ledgerEntrySchema);
export const historySchema = page(historyEntrySchema);

/** Listings of one node's past: newest first, `cursor` goes back in time. */
export const pastQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
  },
  closed,
);
