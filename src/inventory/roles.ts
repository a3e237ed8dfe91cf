/** Roles of a node with everything they require, dependencies first. Pure. */
import { InventoryError } from "./errors.ts";
import { type InventoryView } from "./view.ts";
import { type Manifest, type RevisionRecord } from "./records.ts";

/**
 * The closure of `assigned` over `requires`: each role once, after all it requires; the order depends on
 * nothing but the names.
 * @throws InventoryError ROLE_UNKNOWN, ROLE_CYCLE.
 */
export function effectiveRoles(manifest: Manifest, assigned: readonly string[]): readonly string[] {
  const ordered = new Set<string>();
  for (const role of assigned.toSorted()) visit(manifest, role, { ordered, path: [] });
  return [...ordered];
}

interface Walk {
  readonly ordered: Set<string>;
  /** Roles on the way to here, each required by the one before. */
  readonly path: readonly string[];
}

function visit(manifest: Manifest, role: string, { ordered, path }: Walk): void {
  if (ordered.has(role)) return;
  if (path.includes(role)) {
    const cycle = [...path.slice(path.indexOf(role)), role];
    throw new InventoryError("ROLE_CYCLE", `Roles require each other: ${cycle.join(" -> ")}`, {
      cycle,
    });
  }
  const spec = Object.hasOwn(manifest.roles, role) ? manifest.roles[role] : undefined;
  if (spec === undefined) {
    const by = path.at(-1);
    const known = Object.keys(manifest.roles).sort();
    throw new InventoryError(
      "ROLE_UNKNOWN",
      `There is no role "${role}"${by === undefined ? "" : `, which role "${by}" requires`}; ` +
        `the revision defines: ${known.join(", ") || "none"}`,
      { role, known },
    );
  }
  for (const required of spec.requires.toSorted()) {
    visit(manifest, required, { ordered, path: [...path, role] });
  }
  ordered.add(role);
}

/** The revision a commit names. @throws InventoryError REVISION_UNKNOWN. */
export function mustRevision(view: InventoryView, commit: string): RevisionRecord {
  const revision = view.revision(commit);
  if (revision !== null) return revision;
  throw new InventoryError("REVISION_UNKNOWN", `There is no revision "${commit}"`, { commit });
}

/**
 * Every role that is known, with the nodes that carry it, required roles included: those of `manifest`, those
 * the operator set vars for, those assigned. A role that the manifest lacks counts as it is assigned.
 */
export function roleMembers(
  view: InventoryView,
  manifest: Manifest | null,
): ReadonlyMap<string, readonly string[]> {
  const members = new Map<string, string[]>();
  const known = [...Object.keys(manifest?.roles ?? {}), ...view.roles().map(({ name }) => name)];
  for (const role of known.sort()) members.set(role, []);
  for (const { name } of view.nodes()) {
    for (const role of carriedRoles(manifest, view.spec(name).roles)) {
      const nodes = members.get(role) ?? [];
      nodes.push(name);
      members.set(role, nodes);
    }
  }
  return members;
}

/** One bad assignment must not hide what is known of all other roles. */
function carriedRoles(manifest: Manifest | null, assigned: readonly string[]): readonly string[] {
  const carried = new Set(assigned);
  for (const role of assigned) {
    try {
      if (manifest !== null) for (const each of effectiveRoles(manifest, [role])) carried.add(each);
    } catch (error) {
      if (!(error instanceof InventoryError)) throw error;
    }
  }
  return [...carried].sort();
}
