/**
 * May this record of another history enter the state? Its shape, its limits, and that it is what its key says: the
 * other side's agents are members, but one lying member must not be able to break a replica.
 */
import { type Json } from "../../base/json.ts";
import { jobLayoutProblem } from "../job-create.ts";
import { keyringProblem } from "../keyring.ts";
import { type ExportedPrefix } from "../keys.ts";
import { limits } from "../limits.ts";
import {
  checkJson,
  checkLabel,
  checkName,
  checkNames,
  checkPattern,
  checkText,
  checkVarKey,
  checkVars,
  firstProblem,
} from "../names.ts";
import { type RecordTypes, keyOf, modIndexOf } from "../record-types.ts";
import { settingsProblem } from "../reduce-vars.ts";
import { json } from "../shape.ts";
import { storedShapes } from "../stored-shapes.ts";

type Check<P extends ExportedPrefix> = (id: string, record: RecordTypes[P]) => string | null;

const generationId = /^[0-9a-f]{32}$/;

/** Null when the record may be taken at version `version`. */
export function storedProblem<P extends ExportedPrefix>(
  prefix: P,
  id: string,
  { value, version }: { readonly value: unknown; readonly version: number },
): string | null {
  const key = keyOf(prefix, id).slice(0, 200);
  const unfit = json(value, key) ?? storedShapes[prefix](value, key);
  if (unfit !== null) return unfit;
  const record = value as RecordTypes[P];
  if (modIndexOf(record) !== version) return `${key} has another version`;
  const problem = checkJson("it", value as Json, limits.exportBytes) ?? checks[prefix](id, record);
  return problem === null ? null : `${key}: ${problem}`;
}

const checks: { readonly [P in ExportedPrefix]: Check<P> } = {
  cluster: (id) => isAt(id, ""),
  node: (id, { name, id: peer, address }) =>
    isAt(id, name) ??
    checkName("node", name) ??
    checkName("peer id", peer) ??
    checkText("address", address, limits.addressLength),
  spec: (id, { roles, vars }) =>
    checkName("node", id) ??
    checkNames("role", roles, limits.rolesPerNode) ??
    checkVars("vars", vars),
  label: (id, { labels, stamps }) =>
    checkName("node", id) ??
    checkCount("labels", Object.keys(labels), limits.labelsPerNode) ??
    checkCount("stamps", Object.keys(stamps), 2 * limits.labelsPerNode) ??
    firstProblem(Object.entries(labels), ([key, value]) => checkLabel(key, value)) ??
    firstProblem(Object.keys(stamps), (key) => checkLabel(key, null)),
  history: (id) => checkPattern("id", id, /^[^/]{1,128}\/\d{16}(\.\d{1,6})?$/),
  member: (id, { id: peer, node }) =>
    isAt(id, peer) ?? checkName("peer id", peer) ?? checkName("node", node),
  token: (id, { id: own, verifier, usedBy }) =>
    isAt(id, own) ??
    checkName("token", own) ??
    checkPattern("verifier", verifier, /^[0-9a-f]{64}$/) ??
    firstProblem(usedBy, (peer) => checkName("peer id", peer)),
  var: (id, { key, value }) =>
    isAt(id, key) ?? checkVarKey(key) ?? checkJson("value", value, limits.varsBytes),
  role: (id, { name, vars }) =>
    isAt(id, name) ?? checkName("role", name) ?? checkVars("vars", vars),
  keyring: (id, ring) => isAt(id, "") ?? keyringProblem(ring),
  settings: (id, { settings }) => isAt(id, "") ?? settingsProblem(settings),
  config: (id, { source }) =>
    isAt(id, "") ??
    checkText("URL", source?.url ?? "", limits.urlLength) ??
    checkText("ref", source?.ref ?? "", limits.nameLength),
  revision: (id, { commit, bundle }) =>
    isAt(id, commit) ??
    checkPattern("commit", commit, /^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/) ??
    checkPattern("bundle", bundle, /^[0-9a-f]{64}$/),
  job: (id, job) => isAt(id, job.id) ?? checkName("job", id) ?? jobLayoutProblem(job),
  ledger: (id, { node, id: run }) => isAt(id, `${node}/${run}`) ?? checkName("node", node),
  event: (id, events) =>
    checkPattern("id", id, /^\d{16}$/) ??
    firstProblem(events, ({ index }) =>
      index === Number(id) ? null : `an event has index ${index}`,
    ),
  idem: (id, { digest }) => checkText("key", id, 255) ?? checkText("digest", digest, 255),
  session: (id, { boot, results }) =>
    checkName("peer id", id) ??
    checkText("boot", boot, 64) ??
    checkCount("results", results, limits.sessionResults) ??
    (results.every(({ seq }, i) => i === 0 || (results[i - 1]?.seq ?? 0) < seq)
      ? null
      : "its results are not in order"),
  deleted: (id) => checkPattern("id", id, /^(var|role|token)\/[^/]{1,128}$/),
  generation: (id, { id: own }) => isAt(id, own) ?? checkPattern("id", id, generationId),
  merge: (id, { id: own }) => isAt(id, own) ?? checkPattern("id", id, generationId),
  journal: (id, { generation, key }) =>
    isAt(id, `${generation}/${key}`) ??
    checkPattern("generation", generation, generationId) ??
    checkText("key", key, 512),
};

function isAt(id: string, own: string): string | null {
  return id === own ? null : `it calls itself "${own.slice(0, 200)}"`;
}

function checkCount(kind: string, items: readonly unknown[], most: number): string | null {
  return items.length <= most ? null : `${items.length} ${kind}; at most ${most}`;
}
