/**
 * How agents come in: the first by creating the cluster, all others by a join token. An identity keeps its
 * node for ever; a name is given to the first identity that asks for it, later ones get a suffix.
 */
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { type Handlers, type Outcome, type Refusal, done, invalid, refuse } from "./outcome.ts";
import { type MemberRecord, type NodeRecord, type TokenRecord } from "./records.ts";
import { addHistory, conditionOf, setCondition, updateNode } from "./node-changes.ts";
import { checkName, checkText } from "./names.ts";
import { limits } from "./limits.ts";

type Newcomer = Pick<CommandOf<"member.admit">, "id" | "name" | "address">;

export const memberHandlers: Handlers<Extract<CommandType, "cluster.create" | "member.admit">> = {
  "cluster.create": createCluster,
  "member.admit": admit,
};

function createCluster(draft: Draft, { cluster, member }: CommandOf<"cluster.create">): Outcome {
  const existing = draft.view.cluster();
  if (existing !== null) {
    return refuse("ALREADY_EXISTS", `There is already a cluster here: "${existing.name}"`, {
      id: existing.id,
    });
  }
  const problem =
    checkName("cluster id", cluster.id) ??
    checkName("cluster", cluster.name) ??
    checkText("user", cluster.user ?? "", limits.nameLength) ??
    newcomerProblem(member);
  if (problem !== null) return invalid("create the cluster", problem);
  const { id, name, user } = cluster;
  draft.put("cluster", "", { id, name, user, createdAt: draft.at });
  draft.emit("cluster.created", "cluster", `Cluster "${name}" created`, { id, name });
  addMember(draft, member, { node: member.name, token: null });
  return done({ node: member.name, clusterId: id });
}

function admit(draft: Draft, command: CommandOf<"member.admit">): Outcome {
  const cluster = draft.view.cluster();
  if (cluster === null) return refuse("CONFLICT", "Cannot admit a member: there is no cluster yet");
  const problem = newcomerProblem(command);
  if (problem !== null) return invalid("admit the member", problem);
  const known = draft.view.member(command.id);
  if (known?.status === "evicted") {
    return refuse(
      "MEMBER_EVICTED",
      `Cannot admit "${command.name}": its identity was evicted with node "${known.node}"; ` +
        "remove its data directory to join as a new member",
      { id: command.id, node: known.node },
    );
  }
  // Proof of an earlier admission is the identity itself: a retried join needs no second use of the token.
  if (known !== null) return readmit(draft, known, command.address, cluster.id);
  const token = draft.view.token(command.token);
  const refusal = tokenRefusal(draft, token, command);
  if (refusal !== null) return refusal;
  if (token !== null) useToken(draft, token, command);
  const node = freeName(command.name, (name) => draft.view.node(name) !== null);
  addMember(draft, command, { node, token: command.token });
  if (node !== command.name) markConflict(draft, command, node);
  return done({ node, clusterId: cluster.id });
}

function newcomerProblem({ id, name, address }: Newcomer): string | null {
  return (
    checkName("peer id", id) ??
    checkName("node", name) ??
    checkText("address", address, limits.addressLength)
  );
}

function readmit(draft: Draft, known: MemberRecord, address: string, clusterId: string): Outcome {
  setAddress(draft, known, address);
  return done({ node: known.node, clusterId });
}

/** Why `token` does not let `newcomer` in; null when it does. */
function tokenRefusal(
  draft: Draft,
  token: TokenRecord | null,
  newcomer: CommandOf<"member.admit">,
): Refusal | null {
  if (token === null || token.kind !== "join" || token.revokedAt !== null) {
    const why = token === null ? "unknown" : token.kind !== "join" ? "no join token" : "revoked";
    return refuse("TOKEN_INVALID", `Token "${newcomer.token}" is ${why}; create a new one`);
  }
  if (token.expiresAt !== null && token.expiresAt <= draft.at) {
    return refuse("TOKEN_EXPIRED", `Token "${token.id}" has expired; create a new one`, {
      expiresAt: token.expiresAt,
    });
  }
  if (token.usesLeft !== null && token.usesLeft <= 0 && !token.usedBy.includes(newcomer.id)) {
    return refuse("TOKEN_USED", `Token "${token.id}" has no uses left; create a new one`);
  }
  if (token.name === null) return null;
  if (token.name !== newcomer.name) {
    return refuse(
      "TOKEN_NAME",
      `Token "${token.id}" is for node "${token.name}", not for "${newcomer.name}"`,
      { name: token.name },
    );
  }
  if (draft.view.node(token.name) === null) return null;
  return refuse(
    "TOKEN_NAME",
    `Token "${token.id}" is for node "${token.name}", which another identity holds; forget that node first`,
    { name: token.name },
  );
}

function useToken(draft: Draft, token: TokenRecord, { id }: Newcomer): void {
  if (token.usedBy.includes(id)) return;
  draft.put("token", token.id, {
    ...token,
    usesLeft: token.usesLeft === null ? null : token.usesLeft - 1,
    usedBy: [...token.usedBy, id],
  });
}

/** `name`, or with the first suffix that nobody has. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name;
  for (let n = 2; ; n += 1) {
    const suffix = `-${n}`;
    const candidate = name.slice(0, limits.nameLength - suffix.length) + suffix;
    if (!isTaken(candidate)) return candidate;
  }
}

function addMember(
  draft: Draft,
  { id, address }: Newcomer,
  { node, token }: { readonly node: string; readonly token: string | null },
): void {
  draft.put("member", id, { id, node, status: "admitted", address, admittedAt: draft.at, token });
  draft.view.ledger(node).forEach((entry) => draft.delete("ledger", `${node}/${entry.id}`));
  draft.put("node", node, {
    name: node,
    id,
    phase: "discovered",
    reachability: "reachable",
    reachabilitySince: draft.at,
    address,
    facts: null,
    revision: null,
    appliedRoles: [],
    conditions: [],
    job: null,
    lastJob: null,
    discoveredAt: draft.at,
  });
  const reason = token === null ? "first node of the cluster" : `joined with token "${token}"`;
  addHistory(draft, node, { kind: "discovered", from: null, to: "discovered", reason, job: null });
  draft.emit("member.admitted", `member/${id}`, `Agent of node "${node}" admitted: ${reason}`, {
    id,
    node,
    token,
  });
  draft.emit("node.discovered", `node/${node}`, `Node "${node}" discovered at ${address}`, {
    id,
    address,
  });
}

/** The name that several machines want, as the condition of each of them says. */
export function contestedName(node: NodeRecord): string | null {
  const conflict = conditionOf(node, "NameConflict");
  return conflict === null ? null : (/^Name "([^"]+)"/.exec(conflict.message)?.[1] ?? null);
}

/** Both machines carry the condition that they want one name. */
export function markConflict(
  draft: Draft,
  { id, name }: Pick<Newcomer, "id" | "name">,
  node: string,
): void {
  const conflict = { type: "NameConflict", status: "True", reason: "NameTaken" } as const;
  setCondition(draft, name, {
    ...conflict,
    message: `Name "${name}" was asked for by another machine, which is "${node}" now (${id})`,
  });
  setCondition(draft, node, {
    ...conflict,
    message: `Name "${name}" belongs to another machine; rename one of them`,
  });
}

/** A member is at another address: both records follow. */
export function setAddress(draft: Draft, member: MemberRecord, address: string): void {
  const node = draft.view.node(member.node);
  if (node === null || (member.address === address && node.address === address)) return;
  draft.put("member", member.id, { ...member, address });
  updateNode(draft, node.name, { address });
  const change = { from: node.address, to: address };
  addHistory(draft, node.name, { kind: "address", ...change, reason: "seen there", job: null });
  draft.emit(
    "node.address",
    `node/${node.name}`,
    `Node "${node.name}" is at ${address} now`,
    change,
  );
}
