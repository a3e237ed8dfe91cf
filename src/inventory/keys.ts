/**
 * The keyspace, one line per prefix. The class says how two lineages are merged after a split (consensus.md
 * §2.8): N node-owned, G global, S security (deny wins), A append-only, X exclusive, C counters and sets.
 */
export type RecordClass = "N" | "G" | "S" | "A" | "X" | "C";

export const recordClasses = {
  cluster: "G",
  node: "N", //     node/NAME            -> NodeRecord
  spec: "G", //     spec/NAME            -> NodeSpecRecord
  label: "C", //    label/NAME           -> NodeLabelsRecord
  history: "A", //  history/NAME/INDEX   -> HistoryRecord
  member: "S", //   member/PEERID        -> MemberRecord
  token: "S", //    token/ID             -> TokenRecord
  var: "G", //      var/KEY              -> VarRecord
  role: "G", //     role/NAME            -> RoleRecord
  settings: "G", // settings             -> SettingsRecord
  config: "G", //   config               -> ConfigRecord
  revision: "A", // revision/COMMIT      -> RevisionRecord
  job: "G", //      job/ID               -> JobRecord
  ledger: "A", //   ledger/NODE/RUN      -> LedgerRecord
  event: "A", //    event/INDEX          -> EventRecord[] of that entry
  idem: "A", //     idem/KEY             -> remembered answer of a write with an Idempotency-Key
  session: "A", //  session/PEERID       -> exactly-once window of one agent
  keyring: "S", //  keyring              -> KeyringRecord: keys of gossip's datagrams
  deleted: "G", //  deleted/PREFIX/ID    -> when a var, role or token was deleted
  generation: "A", // generation/ID      -> GenerationRecord of a forced generation
  merge: "A", //    merge/GENERATION     -> MergeRecord: what was taken over from it
  page: "A", //     page/GENERATION/EXPORT/SEQUENCE -> page that waits for the rest of its export
  journal: "A", //  journal/GENERATION/KEY -> JournalRecord: value that a merge did not keep
} as const satisfies Readonly<Record<string, RecordClass>>;

export type KeyPrefix = keyof typeof recordClasses;
/** What one history gives to another. */
export type ExportedPrefix = Exclude<KeyPrefix, "page">;

/** Written with every command, or kept for whoever asks: no part of an agent acts on a new one. */
export function isPassive(prefix: KeyPrefix): boolean {
  return prefix === "session" || prefix === "idem" || prefix === "var" || prefix === "event";
}

/** The class of a key, or null when its prefix is unknown to this version. */
export function classOf(key: string): RecordClass | null {
  const slash = key.indexOf("/");
  const prefix = slash < 0 ? key : key.slice(0, slash);
  return Object.hasOwn(recordClasses, prefix) ? recordClasses[prefix as KeyPrefix] : null;
}
