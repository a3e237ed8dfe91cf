/** Shapes of all commands: what a committed entry must look like before the reducer sees it. */
import { type Command, type CommandType, type Envelope, type Expect } from "./commands.ts";
import { type ConfigRecord, jobActions, reachabilities } from "./records.ts";
import { evidence, generation, generationRef } from "./lineage-shapes.ts";
import {
  condition,
  currentRun,
  facts,
  finishedRun,
  jsonObject,
  manifest,
  peerId,
  phase,
  settings,
  strategy,
  texts,
} from "./record-shapes.ts";
import {
  type Shape,
  binary,
  dictionary,
  either,
  flag,
  integer,
  json,
  list,
  natural,
  nullable,
  object,
  oneOf,
  optional,
  text,
} from "./shape.ts";

export type CommandOf<T extends CommandType> = Extract<Command, { readonly type: T }>;
type Body<T extends CommandType> = Omit<CommandOf<T>, "type">;

type Doubt = NonNullable<CommandOf<"node.reachability">["doubt"]>;

const expected: { readonly ifVersion: Shape<Expect["ifVersion"]> } = {
  ifVersion: optional(natural),
};
const source = object<NonNullable<ConfigRecord["source"]>>({ url: text, ref: nullable(text) });
const jobOnly = object<Body<"job.cancel">>({ job: text, ...expected });

const conflict = object<Body<"journal.apply">>({ generation: text, key: text });

type FetchResult = CommandOf<"config.fetched">["result"];
const fetched = either(
  object<Extract<FetchResult, { readonly ok: true }>>({
    ok: (value, path) => (value === true ? null : `${path} is not true`),
    commit: text,
    bundle: text,
    bundleBytes: natural,
    manifest,
    by: peerId,
  }),
  object<Extract<FetchResult, { readonly ok: false }>>({
    ok: (value, path) => (value === false ? null : `${path} is not false`),
    code: text,
    message: text,
  }),
);

export const commandShapes: { readonly [T in CommandType]: Shape<Body<T>> } = {
  "cluster.create": object<Body<"cluster.create">>({
    cluster: object<CommandOf<"cluster.create">["cluster"]>({
      id: text,
      name: text,
      user: nullable(text),
    }),
    member: object<CommandOf<"cluster.create">["member"]>({
      id: peerId,
      name: text,
      address: text,
    }),
  }),
  "member.admit": object<Body<"member.admit">>({
    id: peerId,
    name: text,
    address: text,
    token: text,
  }),
  "node.reachability": object<Body<"node.reachability">>({
    changes: list(
      object<CommandOf<"node.reachability">["changes"][0]>({
        id: peerId,
        reachability: oneOf(...reachabilities),
        address: optional(text),
      }),
    ),
    doubt: optional(
      object<Doubt>({
        observer: peerId,
        cause: nullable(object<NonNullable<Doubt["cause"]>>({ reason: text, message: text })),
      }),
    ),
  }),
  "node.facts": object<Body<"node.facts">>({ id: peerId, facts, address: text }),
  "node.log": object<Body<"node.log">>({ id: peerId, damage: nullable(text) }),
  "node.patch": object<Body<"node.patch">>({
    node: text,
    labels: optional(dictionary(nullable(text))),
    roles: optional(texts),
    vars: optional(jsonObject),
    ...expected,
  }),
  "node.forget": object<Body<"node.forget">>({ node: text, force: flag, ...expected }),
  "var.put": object<Body<"var.put">>({ key: text, value: json, ...expected }),
  "var.delete": object<Body<"var.delete">>({ key: text, ...expected }),
  "vars.patch": object<Body<"vars.patch">>({ patch: jsonObject }),
  "role.put": object<Body<"role.put">>({ role: text, vars: jsonObject, ...expected }),
  "role.delete": object<Body<"role.delete">>({ role: text, ...expected }),
  "settings.put": object<Body<"settings.put">>({ settings, ...expected }),
  "token.create": object<Body<"token.create">>({
    id: text,
    kind: oneOf("join", "api"),
    verifier: text,
    role: nullable(oneOf("admin", "reader")),
    name: nullable(text),
    uses: nullable(natural),
    ttlMs: nullable(natural),
  }),
  "token.revoke": object<Body<"token.revoke">>({ id: text, ...expected }),
  "keyring.change": object<Body<"keyring.change">>({
    step: oneOf("create", "install", "use", "remove"),
    key: natural,
    secret: nullable(text),
  }),
  "config.source": object<Body<"config.source">>({ source, ...expected }),
  "config.refresh": object<Body<"config.refresh">>({}),
  "config.fetched": object<Body<"config.fetched">>({ request: natural, source, result: fetched }),
  "job.create": object<Body<"job.create">>({
    id: text,
    action: oneOf(...jobActions),
    targets: texts,
    roles: nullable(texts),
    vars: jsonObject,
    strategy,
    waves: list(texts),
    revision: nullable(text),
    force: flag,
    reason: text,
  }),
  "job.start": object<Body<"job.start">>({ job: text }),
  "job.node.begin": object<Body<"job.node.begin">>({
    job: text,
    node: text,
    phase: nullable(phase),
    roles: texts,
  }),
  "run.begin": object<Body<"run.begin">>({ job: text, node: text, run: currentRun }),
  "run.finish": object<Body<"run.finish">>({
    job: text,
    node: text,
    result: finishedRun,
    vars: jsonObject,
    varsDigest: text,
    transcripts: list(peerId),
  }),
  "run.transcripts": object<Body<"run.transcripts">>({
    node: text,
    run: text,
    peers: list(peerId),
  }),
  "job.node.finish": object<Body<"job.node.finish">>({
    job: text,
    node: text,
    status: oneOf("succeeded", "failed", "skipped", "cancelled", "rolled-back", "lost"),
    phase: nullable(phase),
    step: nullable(text),
    exitCode: nullable(integer),
    message: text,
    revision: optional(nullable(text)),
    appliedRoles: nullable(texts),
    condition: nullable(condition),
  }),
  "job.finish": object<Body<"job.finish">>({
    job: text,
    status: oneOf("succeeded", "failed", "cancelled", "rolled-back"),
  }),
  "job.cancel": jobOnly,
  "job.pause": jobOnly,
  "job.resume": jobOnly,
  "job.retry": jobOnly,
  "generation.begin": object<Body<"generation.begin">>({ generation, evidence }),
  "generation.settled": object<Body<"generation.settled">>({ id: text, reason: text }),
  "merge.page": object<Body<"merge.page">>({
    generation: generationRef,
    forkIndex: natural,
    members: list(peerId),
    bytes: binary,
  }),
  "journal.apply": conflict,
  "journal.discard": conflict,
};

type Origin = NonNullable<Envelope["origin"]>;
type Idempotency = NonNullable<Envelope["idempotency"]>;

/** The envelope without its command, whose shape depends on its type. */
export const envelopeShape = object<Omit<Envelope, "command">>({
  v: natural,
  at: natural,
  by: text,
  origin: nullable(object<Origin>({ agent: peerId, boot: text, seq: natural, acked: natural })),
  idempotency: nullable(object<Idempotency>({ key: text, digest: text })),
});
