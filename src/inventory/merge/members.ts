/**
 * Members (S) and the names of their nodes. Admissions are united. Eviction wins, with one exception: when both sides
 * gave each other up, obeying both would leave nobody; so a member that is alive on the winning side stays, and the
 * eviction waits for an operator. A name that both sides gave to different machines gets a suffix, as on a join.
 */
import { type Json } from "../../base/json.ts";
import { InventoryError } from "../errors.ts";
import { type MemberRecord } from "../records.ts";
import { freeName } from "../reduce-members.ts";
import { removeNode } from "../reduce-forget.ts";
import { type Merging } from "./merging.ts";

export function mergeMembers(merging: Merging): void {
  const members = [...merging.other.records.member.values()];
  for (const member of members) if (member.status === "evicted") mergeEviction(merging, member);
  nameNodes(merging);
  for (const member of members) if (member.status === "admitted") mergeAdmission(merging, member);
}

function mergeEviction(merging: Merging, theirs: MemberRecord): void {
  const { draft } = merging;
  const ours = draft.view.member(theirs.id);
  if (ours?.status === "evicted") return;
  const held = (member: MemberRecord | null): Json =>
    member === null ? null : { node: member.node, status: member.status };
  const key = `member/${theirs.id}`;
  const verdict = merging.judge(
    key,
    { value: held(theirs), version: theirs.version },
    { value: held(ours), version: ours?.version ?? 0 },
  );
  if (verdict === "known" || verdict === "older") return;
  if (ours === null) {
    draft.put("member", theirs.id, theirs);
    merging.counts.applied += 1;
    return;
  }
  const admitted = draft.view.members().filter(({ status }) => status === "admitted");
  const conflict = {
    key,
    theirs: held(theirs),
    theirVersion: theirs.version,
    ours: held(ours),
    ourVersion: ours.version,
  };
  if (merging.isOurs(theirs.id) || admitted.length <= 1) {
    merging.journal({ ...conflict, rule: "eviction-of-a-live-member", resolution: "pending" });
    return;
  }
  evict(merging, ours);
}

function evict(merging: Merging, member: MemberRecord): void {
  const { draft } = merging;
  const node = draft.view.nodeById(member.id);
  merging.counts.applied += 1;
  if (node === null) {
    draft.put("member", member.id, { ...member, status: "evicted" });
    return;
  }
  for (const prefix of ["spec", "label"] as const) {
    const record = draft.view.get(prefix, node.name);
    if (record === null || !merging.wroteHere(record.version)) continue;
    const { version, ...value } = record;
    merging.journal({
      key: `${prefix}/${node.name}`,
      theirs: null,
      theirVersion: merging.other.index,
      ours: value,
      ourVersion: version,
      rule: "eviction-wins",
      resolution: "applied",
    });
  }
  removeNode(draft, node, { reason: "forgotten on the other side", force: true });
}

/** Identities decide which node is which; names follow. */
function nameNodes(merging: Merging): void {
  const { draft, other, names } = merging;
  for (const [name, id] of other.nodes) {
    const member = draft.view.member(id);
    if (member?.status === "evicted") names.set(name, null);
    else if (member !== null) names.set(name, draft.view.nodeById(id)?.name ?? member.node);
  }
  const taken = new Set([...names.values()]);
  for (const [name, id] of other.nodes) {
    if (names.has(name)) continue;
    if (other.continues) {
      names.set(name, null); // it was here when the first part came, and is gone
      continue;
    }
    const admitted = other.records.member.get(id);
    if (admitted?.status !== "admitted" || other.records.node.get(name)?.id !== id) {
      throw invalid(`node "${name}" belongs to no member`);
    }
    const free = freeName(name, (wanted) => draft.view.node(wanted) !== null || taken.has(wanted));
    names.set(name, free);
    taken.add(free);
  }
}

function mergeAdmission(merging: Merging, theirs: MemberRecord): void {
  const { draft, other } = merging;
  const ours = draft.view.member(theirs.id);
  if (ours !== null) {
    const moved = ours.status === "admitted" && ours.address !== theirs.address;
    const decides = merging.isTheirs(theirs.id) || !merging.wroteHere(ours.version);
    if (moved && decides) draft.put("member", ours.id, { ...ours, address: theirs.address });
    return;
  }
  if (other.nodes.get(theirs.node) !== theirs.id) {
    throw invalid(`member "${theirs.id}" has no node "${theirs.node}"`);
  }
  draft.put("member", theirs.id, { ...theirs, node: merging.nameOf(theirs.node) ?? theirs.node });
  merging.counts.applied += 1;
}

function invalid(reason: string): InventoryError {
  return new InventoryError("MERGE_INVALID", `Cannot merge: ${reason}`);
}
