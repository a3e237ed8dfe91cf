/** Configuration, roles, vars and tokens as the API shows them. */
import { rfc3339 } from "../../base/clock.ts";
import { formatDuration } from "../../base/duration.ts";
import {
  type ConfigRecord,
  type RoleRecord,
  type RoleSpec,
  type TokenRecord,
  type VarRecord,
} from "../../inventory/records.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type Config } from "../contract/config.ts";
import { type Token } from "../contract/tokens.ts";
import { type Role, type Var, type Vars } from "../contract/variables.ts";
import { maskUrls, maskVar, maskVars, secretNames } from "./secrets.ts";

export function toConfig(view: InventoryView): Config {
  const config = view.config();
  const revision = config.current === null ? null : view.revision(config.current);
  const { source, lastError } = config;
  return {
    source: source === null ? null : { url: maskUrls(source.url), ref: source.ref },
    revision:
      revision === null
        ? null
        : {
            commit: revision.commit,
            bundle: revision.bundle,
            fetchedAt: rfc3339(revision.fetchedAt),
          },
    roles: revision === null ? [] : Object.keys(revision.manifest.roles).sort(),
    lastError:
      lastError === null
        ? null
        : { code: lastError.code, message: maskUrls(lastError.message), at: rfc3339(lastError.at) },
    refreshing: isRefreshing(config),
    version: config.version,
  };
}

function isRefreshing(config: ConfigRecord): boolean {
  return config.refreshDone < config.refreshRequested;
}

/** Names of all roles: defined by the revision in force, set by the operator, or assigned to a node. */
export function roleNames(view: InventoryView): readonly string[] {
  const names = new Set(Object.keys(definitions(view)));
  for (const { name } of view.roles()) names.add(name);
  for (const { name } of view.nodes()) for (const role of view.spec(name).roles) names.add(role);
  return [...names].sort();
}

export function toRoles(view: InventoryView): readonly Role[] {
  const members = new Map<string, string[]>();
  for (const { name } of view.nodes()) {
    for (const role of view.spec(name).roles) {
      const list = members.get(role);
      if (list === undefined) members.set(role, [name]);
      else list.push(name);
    }
  }
  const secrets = secretNames(view);
  const defined = definitions(view);
  const revision = view.config().current;
  return roleNames(view).map((name) => {
    const spec = Object.hasOwn(defined, name) ? defined[name] : undefined;
    const record = view.role(name);
    return {
      name,
      definition: spec === undefined ? null : toDefinition(spec),
      revision: spec === undefined ? null : revision,
      vars: maskVars(record?.vars ?? {}, secrets),
      policy: null,
      members: members.get(name) ?? [],
      version: record?.version ?? 0,
    };
  });
}

/** Null when nothing knows the role. */
export function toRole(view: InventoryView, name: string): Role | null {
  return toRoles(view).find((role) => role.name === name) ?? null;
}

function toDefinition({ runner, requires, actions, secrets }: RoleSpec): Role["definition"] {
  return {
    runner,
    requires,
    actions: Object.fromEntries(
      Object.entries(actions).map(([action, { path, timeoutMs }]) => [
        action,
        { path, timeout: formatDuration(timeoutMs) },
      ]),
    ),
    secrets,
  };
}

function definitions(view: InventoryView): Readonly<Record<string, RoleSpec>> {
  const { current } = view.config();
  return current === null ? {} : (view.revision(current)?.manifest.roles ?? {});
}

export function toVars(view: InventoryView): Vars {
  const secrets = secretNames(view);
  const records = view.variables();
  return {
    vars: Object.fromEntries(records.map(({ key, value }) => [key, maskVar(key, value, secrets)])),
    versions: Object.fromEntries(records.map(({ key, version }) => [key, version])),
  };
}

/** Null when the var is not set. */
export function toVar(view: InventoryView, key: string): Var | null {
  const record = view.variable(key);
  if (record === null) return null;
  return toWrittenVar(view, record);
}

/** As it was right after a write, whatever was written since. */
export function toWrittenVar(
  view: InventoryView,
  { key, value, version }: Pick<VarRecord, "key" | "value" | "version">,
): Var {
  return { key, value: maskVar(key, value, secretNames(view)), version };
}

/** As it was right after a write, whatever was written since. */
export function toWrittenRole(
  view: InventoryView,
  { name, vars, version }: Pick<RoleRecord, "name" | "vars" | "version">,
): Role {
  const unknown = { name, definition: null, revision: null, policy: null, members: [] };
  const now = toRole(view, name) ?? unknown;
  return { ...now, vars: maskVars(vars, secretNames(view)), version };
}

export function toToken(record: TokenRecord): Token {
  const { id, kind, role, name, usesLeft, createdBy, usedBy, version } = record;
  return {
    id,
    kind,
    role,
    name,
    usesLeft,
    createdAt: rfc3339(record.createdAt),
    createdBy,
    expiresAt: record.expiresAt === null ? null : rfc3339(record.expiresAt),
    revokedAt: record.revokedAt === null ? null : rfc3339(record.revokedAt),
    usedBy,
    version,
  };
}
