/**
 * `settings.autoCommission`: nodes that were discovered and never worked on are commissioned by
 * themselves. One job per discovery: its id ends in a digest of node and discovery, so neither a
 * new leader nor a failure leads to a second one, and a node that an operator cleaned up stays
 * `discovered`. Where a commission is not possible yet (no revision, an unknown role, an absent
 * node) nothing happens until it is.
 */
import { newId } from "../base/ids.ts";
import { type Command } from "../inventory/commands.ts";
import { type NodeRecord, type Settings, defaultStrategy } from "../inventory/records.ts";
import { selectNodes } from "../inventory/selector.ts";
import { parseSelector } from "../inventory/selector-parser.ts";
import { type InventoryView } from "../inventory/view.ts";
import { resolveRoles } from "./job-roles.ts";

type AutoCommission = NonNullable<Settings["autoCommission"]>;

/** Jobs created by one plan at most; the next plan goes on. */
const maxNewJobs = 64;

export function planAutoCommission(view: InventoryView, now: number): readonly Command[] {
  const rule = view.settings().settings.autoCommission;
  const revision = view.config().current;
  if (rule === null || revision === null) return [];
  const manifest = view.revision(revision)?.manifest ?? null;
  if (resolveRoles(manifest, rule.roles).problems.length > 0) return [];
  const candidates = newNodes(view, rule);
  if (candidates.length === 0) return [];
  const known = new Set(view.jobs().map((job) => job.id.slice(timeDigits)));
  return candidates
    .filter((node) => !known.has(discoveryDigest(node)) && hasRoles(view, rule, node))
    .slice(0, maxNewJobs)
    .map((node) => commissionOf(node, { rule, revision, now }));
}

function newNodes(view: InventoryView, rule: AutoCommission): readonly NodeRecord[] {
  const isNew = (node: NodeRecord): boolean =>
    node.phase === "discovered" &&
    node.reachability === "reachable" &&
    node.job === null &&
    node.lastJob === null;
  if (!view.nodes().some(isNew)) return [];
  const selector = parseSelector(rule.selector);
  const claimed = new Set(view.activeJobs().flatMap((job) => job.targets));
  return selectNodes(view, selector).filter((node) => isNew(node) && !claimed.has(node.name));
}

/** Without roles of its own the rule commissions what the operator assigned beforehand. */
function hasRoles(view: InventoryView, rule: AutoCommission, node: NodeRecord): boolean {
  return rule.roles.length > 0 || view.spec(node.name).roles.length > 0;
}

function commissionOf(
  node: NodeRecord,
  from: { readonly rule: AutoCommission; readonly revision: string; readonly now: number },
): Command {
  return {
    type: "job.create",
    id: newId(from.now).slice(0, timeDigits) + discoveryDigest(node),
    action: "commission",
    targets: [node.name],
    roles: from.rule.roles.length > 0 ? from.rule.roles : null,
    vars: {},
    strategy: defaultStrategy,
    waves: [[node.name]],
    revision: from.revision,
    force: false,
    reason: "autoCommission: newly discovered",
  };
}

/** An id begins with 9 digits of time (base/ids.ts). */
const timeDigits = 9;
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/**
 * 9 digits (45 bits) that are the same for one discovery of a node on every agent (FNV-1a, twice).
 */
export function discoveryDigest(node: Pick<NodeRecord, "id" | "discoveredAt">): string {
  const text = `${node.id}/${node.discoveredAt}`;
  let digits = "";
  for (const seed of [0x811c9dc5, 0x01000193]) {
    let hash = seed;
    for (let i = 0; i < text.length; i += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    }
    for (let i = 0; i < 6; i += 1) {
      digits += alphabet[hash % 32] ?? "0";
      hash = Math.floor(hash / 32);
    }
  }
  return digits.slice(0, 9);
}
