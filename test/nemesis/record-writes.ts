/**
 * Writes of both sides of a split, in every class of records that clients write: keys of a side's own, keys that both
 * sides write, and deletions. A write leaves a text or number of its own in its place, so that it can be found again:
 * in the state, or, where the other side's value stayed, in the journal under the record's key.
 */
import { type Json } from "../../src/base/json.ts";

export interface Write {
  readonly kind: string;
  readonly method: string;
  readonly route: string;
  readonly body?: Json;
  /** Key of the record, as the journal names it. */
  readonly record: string;
  /** What later writes of the same side overwrite: the record, or a part of it. */
  readonly place: string;
  /** What is in place afterwards; null: nothing. */
  readonly mark: string | number | null;
}

export interface Side {
  /** In every name and value of it. */
  readonly id: "a" | "b";
  readonly nodes: readonly string[];
}

/** Known to both sides when they part. */
export interface Common {
  readonly nodes: readonly string[];
  /** Ids of tokens that can be revoked; both sides revoke some of them, some of them both. */
  readonly tokens: readonly string[];
  readonly repository: string;
}

export const writesPerKind = 200;
const shared = 40;
const doomed = 20;
export const doomedVars = Array.from({ length: doomed }, (_, i) => `doomed-${i}`);

/** Lists of equal length, one for every kind; each is written in its order. */
export function writesOf(side: Side, common: Common): readonly (readonly Write[])[] {
  const kinds = [variable, role, label, spec, setting, source, token];
  return kinds.map((one) =>
    Array.from({ length: writesPerKind }, (_, i) => one({ side, common, i })),
  );
}

interface Turn {
  readonly side: Side;
  readonly common: Common;
  readonly i: number;
}

const markOf = (kind: string, { side, i }: Turn): string => `${side.id}-${kind}-${i}`;
/** The first are written by both sides. */
const nameOf = (kind: string, { side, i }: Turn): string =>
  i < shared ? `both-${kind}-${i}` : `${side.id}-${kind}-${i}`;

/** At the end one side deletes what the other writes, and the other way round. */
function variable(turn: Turn): Write {
  const { side, i } = turn;
  const left = writesPerKind - i;
  const fated = left <= doomed ? (doomedVars[left - 1] ?? null) : null;
  const key = fated ?? nameOf("var", turn);
  const where = {
    kind: "var",
    route: `/v1/vars/${key}`,
    record: `var/${key}`,
    place: `var/${key}`,
  };
  if (fated !== null && (left % 2 === 0) === (side.id === "a")) {
    return { ...where, method: "DELETE", mark: null };
  }
  const mark = markOf("var", turn);
  return { ...where, method: "PUT", body: { value: mark }, mark };
}

function role(turn: Turn): Write {
  const name = nameOf("role", turn);
  const mark = markOf("role", turn);
  const body = { vars: { mark } };
  const record = `role/${name}`;
  return {
    kind: "role",
    method: "PUT",
    route: `/v1/roles/${name}`,
    body,
    record,
    place: record,
    mark,
  };
}

function nodeOf({ common, i }: Turn): string {
  return common.nodes[i % common.nodes.length] ?? "";
}

/** A node takes 64 labels: later writes change earlier ones. */
function label(turn: Turn): Write {
  const node = nodeOf(turn);
  const { i, side } = turn;
  const key = i < shared ? `both-${i}` : `${side.id}-${i % 80}`;
  const mark = markOf("label", turn);
  const record = `label/${node}`;
  const body = { labels: { [key]: mark } };
  const place = `${record}#${key}`;
  return { kind: "label", method: "PATCH", route: `/v1/nodes/${node}`, body, record, place, mark };
}

/** What the operator wants of a node is one record: both sides change all of them. */
function spec(turn: Turn): Write {
  const node = nodeOf(turn);
  const key = nameOf("spec", turn);
  const mark = markOf("spec", turn);
  const record = `spec/${node}`;
  const body = { vars: { [key]: mark } };
  const place = `${record}#${key}`;
  return { kind: "spec", method: "PATCH", route: `/v1/nodes/${node}`, body, record, place, mark };
}

function setting({ side, i }: Turn): Write {
  const mark = (side.id === "a" ? 1000 : 5000) + i;
  const body = { survivor: { cold: `${mark}s` } };
  const where = { kind: "settings", method: "PATCH", route: "/v1/settings" };
  return { ...where, body, record: "settings", place: "settings", mark: mark * 1000 };
}

function source(turn: Turn): Write {
  const mark = markOf("ref", turn);
  const body = { url: turn.common.repository, ref: mark };
  const where = { kind: "config", method: "PUT", route: "/v1/config/source" };
  return { ...where, body, record: "config", place: "config", mark };
}

/** Half of them are new, the others revoke: those in the middle are revoked by both sides. */
function token(turn: Turn): Write {
  const { side, common, i } = turn;
  if (i % 2 === 0) {
    const mark = markOf("token", turn);
    const body = { kind: i % 4 === 0 ? "join" : "api", name: mark };
    const place = `token/${mark}`;
    return { kind: "token", method: "POST", route: "/v1/tokens", body, record: place, place, mark };
  }
  const from = side.id === "a" ? 0 : common.tokens.length - writesPerKind / 2;
  const id = common.tokens[from + (i - 1) / 2] ?? "";
  const place = `revoked/${id}`;
  const where = { kind: "token", method: "DELETE", route: `/v1/tokens/${id}` };
  return { ...where, record: `token/${id}`, place, mark: "revoked" };
}
