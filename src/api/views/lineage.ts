/** Generations, merges, plans and conflicts as the API shows them: names beside ids, secrets masked as everywhere. */
import { rfc3339 } from "../../base/clock.ts";
import { asPeerId } from "../../base/ids.ts";
import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { type Generation, type SurvivorPlan } from "../../consensus/lineage/types.ts";
import { type JournalRecord } from "../../inventory/lineage-records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import {
  type ConflictAnswer,
  type GenerationAnswer,
  type LineageAnswer,
  type PlanAnswer,
} from "../contract/lineage.ts";
import { maskUrlsIn, maskVar, maskVars } from "./secrets.ts";

export function toLineage(context: ApiContext): LineageAnswer {
  const lineage = context.lineage();
  return {
    provisional: lineage?.isProvisional() ?? false,
    generations: (lineage?.generations() ?? []).map((each) => toGeneration(context.view, each)),
    merges: toMerges(context.view),
  };
}

function toMerges(view: InventoryView): LineageAnswer["merges"] {
  const open = new Map<string, number>();
  for (const { generation, resolution } of view.journal()) {
    if (resolution === "pending") open.set(generation, (open.get(generation) ?? 0) + 1);
  }
  return view.merges().map(({ id, n, forkIndex, begunAt, doneAt, counts }) => ({
    generation: id,
    n,
    forkIndex,
    begunAt: rfc3339(begunAt),
    doneAt: doneAt === null ? null : rfc3339(doneAt),
    applied: counts.applied,
    added: counts.added,
    pending: open.get(id) ?? 0,
    superseded: counts.superseded,
    events: counts.events,
  }));
}

export function toGeneration(view: InventoryView, generation: Generation): GenerationAnswer {
  const { n, id, parent, kind, forkIndex, outlived, missingAtMost, at } = generation;
  return {
    ...{ n, id, parent, kind, forkIndex, outlived, missingAtMost },
    members: generation.members.map((peer) => named(view, peer)),
    lost: generation.lost.map((peer) => named(view, peer)),
    at: rfc3339(at),
  };
}

export function toPlan(view: InventoryView, plan: SurvivorPlan): PlanAnswer {
  const { hash, why, kind, parent, outlived, missingAtMost, majorityOfAll } = plan;
  return {
    ...{ hash, why, kind, outlived, missingAtMost, majorityOfAll },
    parent: { n: parent.n, id: parent.id },
    survivors: plan.survivors.map((peer) => named(view, peer)),
    best: named(view, plan.best),
    lost: plan.lost.map(({ id, silentMs, proof }) => ({
      ...named(view, id),
      silentMs: silentMs === null ? null : Math.round(silentMs),
      proof,
    })),
  };
}

function named(
  view: InventoryView,
  id: string,
): { readonly id: string; readonly name: string | null } {
  return { id, name: view.member(asPeerId(id))?.node ?? null };
}

export function toConflict(
  view: InventoryView,
  entry: JournalRecord,
  secrets: ReadonlySet<string>,
): ConflictAnswer {
  const { id, generation, key, rule, resolution, loserValue, winnerValue, at } = entry;
  const current = currentOf(view, key);
  const shown = (value: Json): Json => maskValue(key, value, secrets);
  return {
    ...{ id, generation, key, rule },
    state: resolution,
    otherSide: shown(loserValue),
    atMerge: shown(winnerValue),
    inForce: shown(current?.value ?? null),
    changedSince: current !== null && current.version !== entry.winnerVersion,
    at: rfc3339(at),
    resolvedBy: entry.resolvedBy,
    resolvedAt: entry.resolvedAt === null ? null : rfc3339(entry.resolvedAt),
  };
}

/** Null for kinds that an operator does not decide about. */
function currentOf(view: InventoryView, key: string): { value: Json; version: number } | null {
  const slash = key.indexOf("/");
  const [kind, id] = slash < 0 ? [key, ""] : [key.slice(0, slash), key.slice(slash + 1)];
  const held = (record: { readonly version: number } | null) => {
    if (record === null) return { value: null, version: 0 };
    const { version, ...value } = record;
    return { value: value as JsonObject, version };
  };
  switch (kind) {
    case "var":
      return held(view.variable(id));
    case "role":
      return held(view.role(id));
    case "settings":
      return held(view.settings());
    case "spec":
      return held(view.spec(id));
    case "label": {
      const { labels, version } = view.labels(id);
      return { value: { labels }, version };
    }
    case "config": {
      const { source, sourceVersion } = view.config();
      return { value: { source }, version: sourceVersion };
    }
    default:
      return null;
  }
}

function maskValue(key: string, value: Json, secrets: ReadonlySet<string>): Json {
  if (!isJsonObject(value)) return value;
  const { vars, source, value: bare } = value;
  if (key.startsWith("var/"))
    return { ...value, value: maskVar(key.slice(4), bare ?? null, secrets) };
  const masked = isJsonObject(vars) ? { ...value, vars: maskVars(vars, secrets) } : value;
  return isJsonObject(source) ? { ...masked, source: maskUrlsIn(source) } : masked;
}
