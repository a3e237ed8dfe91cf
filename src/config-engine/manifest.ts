/** muster.yaml: its schema, defaults and limits. Everything wrong is reported at once, with line and column. */
import { type Node } from "yaml";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { type JsonObject, isJsonObject } from "../base/json.ts";
import {
  type ActionName,
  type Manifest,
  type RoleAction,
  type RoleSpec,
} from "../inventory/records.ts";
import { engineError } from "./errors.ts";
import { type ManifestProblem, ManifestReader, type MapEntry } from "./manifest-reader.ts";

export const manifestName = "muster.yaml";
export const manifestBytesLimit = 256 * 1024;

/** What the repository has under a path. */
export interface ManifestTree {
  kind(path: string): "executable" | "file" | "folder" | "missing";
}

const apiVersion = "muster/v1";
const topKeys = ["apiVersion", "vars", "roles"];
const actionNames = ["configure", "verify", "cleanup", "upgrade"] as const;
const roleKeys = ["runner", "requires", ...actionNames, "timeout", "secrets"];
const runners = ["script"];
const laterRunners = ["ansible"];
const rolesLimit = 200;
const defaultTimeoutMs = 30 * 60_000;
const longestTimeoutMs = 7 * 24 * 3_600_000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

interface RoleDraft extends RoleSpec {
  /** Where each required role is named, to point at a cycle. */
  readonly places: ReadonlyMap<string, Node>;
}

/** @throws AgentError MANIFEST_INVALID; details.problems is a list of ManifestProblem. */
export function parseManifest(text: string, tree: ManifestTree): Manifest {
  const reader = new ManifestReader(text, manifestName);
  const manifest = readManifest(reader, tree);
  if (reader.problems.length === 0) return manifest;
  throw invalidManifest(reader.problems);
}

export function invalidManifest(problems: readonly ManifestProblem[]): Error {
  const lines = problems.slice(0, 5).map(describeProblem).join("; ");
  const more = problems.length > 5 ? `; and ${problems.length - 5} more` : "";
  const message = `Checking the configuration repository failed: ${lines}${more}`;
  return engineError("MANIFEST_INVALID", message, { problems });
}

export function describeProblem({ file, line, column, reason }: ManifestProblem): string {
  return line === null ? `${file}: ${reason}` : `${file}:${line}:${column}: ${reason}`;
}

function readManifest(reader: ManifestReader, tree: ManifestTree): Manifest {
  const empty: Manifest = { vars: {}, roles: {} };
  if (reader.problems.length > 0) return empty; // Not YAML: what follows would only confuse.
  const entries = reader.entries(reader.root, "the manifest", topKeys);
  const value = (key: string): MapEntry | undefined => entries.find((entry) => entry.key === key);
  const version = value("apiVersion");
  if (version === undefined) reader.problem(reader.root, `apiVersion: ${apiVersion} is missing`);
  else checkVersion(reader, version);
  const vars = value("vars");
  const roles = value("roles");
  if (roles === undefined) reader.problem(reader.root, "roles is missing");
  return {
    vars: vars === undefined ? {} : readVars(reader, vars),
    roles: roles === undefined ? {} : readRoles(reader, roles, tree),
  };
}

function checkVersion(reader: ManifestReader, entry: MapEntry): void {
  const version = reader.text(entry.value, "apiVersion");
  if (version === null || version === apiVersion) return;
  reader.problem(
    entry.value,
    `apiVersion "${version}" is not known; this version reads ${apiVersion}`,
  );
}

function readVars(reader: ManifestReader, entry: MapEntry): JsonObject {
  if (entry.value === null) return {};
  const vars = reader.json(entry.value, "vars");
  if (isJsonObject(vars)) return vars;
  if (vars !== null) reader.problem(entry.value, "vars must be a map");
  return {};
}

function readRoles(
  reader: ManifestReader,
  entry: MapEntry,
  tree: ManifestTree,
): Record<string, RoleSpec> {
  const entries = reader.entries(entry.value, "roles", null);
  if (entries.length > rolesLimit) {
    reader.problem(
      entry.keyNode,
      `${entries.length} roles are more than the ${rolesLimit} allowed`,
    );
    return {};
  }
  const drafts = new Map<string, RoleDraft>();
  for (const role of entries) {
    if (!namePattern.test(role.key)) {
      reader.problem(role.keyNode, `role name "${role.key}" must match ${namePattern.source}`);
      continue;
    }
    drafts.set(role.key, readRole(reader, role, tree));
  }
  checkRequires(reader, drafts);
  return Object.fromEntries(
    [...drafts].map(([name, { places: _, ...role }]): [string, RoleSpec] => [name, role]),
  );
}

function readRole(reader: ManifestReader, role: MapEntry, tree: ManifestTree): RoleDraft {
  const what = `role "${role.key}"`;
  const nothing: RoleDraft = {
    name: role.key,
    runner: "script",
    requires: [],
    actions: {},
    secrets: [],
    places: new Map(),
  };
  if (!checkRunner(reader, role)) return nothing;
  const entries = reader.entries(role.value, what, roleKeys);
  const at = (key: string): MapEntry | undefined => entries.find((entry) => entry.key === key);
  const timeoutMs = readTimeout(reader, at("timeout"));
  const actions: Partial<Record<ActionName, RoleAction>> = {};
  for (const name of actionNames) {
    const entry = at(name);
    const path =
      entry === undefined ? null : readPath(reader, entry, { what: `${what}, ${name}`, tree });
    if (path !== null) actions[name] = { path, timeoutMs };
  }
  if (at("configure") === undefined) reader.problem(role.keyNode, `${what} has no configure`);
  if (at("upgrade") === undefined && actions.configure !== undefined) {
    actions.upgrade = actions.configure;
  }
  const requires = at("requires");
  const required =
    requires === undefined ? [] : reader.texts(requires.value, `requires of ${what}`);
  const secrets = at("secrets");
  const hidden = secrets === undefined ? [] : reader.texts(secrets.value, `secrets of ${what}`);
  return {
    ...nothing,
    requires: [...new Set(required.map(({ text }) => text))],
    actions,
    secrets: [...new Set(hidden.map(({ text }) => text))],
    places: new Map(required.map(({ text, node }) => [text, node])),
  };
}

/** False when the role is for a runner we do not have: its other keys are not ours to judge. */
function checkRunner(reader: ManifestReader, role: MapEntry): boolean {
  const entry = reader.entries(role.value, `role "${role.key}"`, null).find(isRunner);
  if (entry === undefined) return true;
  const runner = reader.text(entry.value, "runner");
  if (runner === null || runners.includes(runner)) return true;
  reader.problem(
    entry.value,
    laterRunners.includes(runner)
      ? `runner ${runner} is not available in this version`
      : `runner "${runner}" is not known; known: ${runners.join(", ")}`,
  );
  return false;
}

function isRunner(entry: MapEntry): boolean {
  return entry.key === "runner";
}

function readTimeout(reader: ManifestReader, entry: MapEntry | undefined): number {
  if (entry === undefined) return defaultTimeoutMs;
  const text = reader.text(entry.value, "timeout");
  const timeoutMs = text === null ? defaultTimeoutMs : parseDuration(text);
  if (timeoutMs !== null && timeoutMs > 0 && timeoutMs <= longestTimeoutMs) return timeoutMs;
  const longest = formatDuration(longestTimeoutMs);
  reader.problem(
    entry.value,
    `timeout "${text}" must be a duration such as 90s or 15m, up to ${longest}`,
  );
  return defaultTimeoutMs;
}

function readPath(
  reader: ManifestReader,
  entry: MapEntry,
  context: { readonly what: string; readonly tree: ManifestTree },
): string | null {
  const path = reader.text(entry.value, context.what);
  if (path === null) return null;
  const parts = path.split("/");
  const inside = path !== "" && !parts.some((part) => part === "" || part === "." || part === "..");
  const kind = inside ? context.tree.kind(path) : "outside";
  if (kind === "executable") return path;
  const reasons = {
    outside: 'must be a path inside the repository, without "." and ".."',
    missing: "does not exist in the repository",
    folder: "is a folder, not an executable file",
    file: "is not executable (git update-index --chmod=+x, or chmod +x)",
  };
  reader.problem(entry.value, `${context.what}: "${path}" ${reasons[kind]}`);
  return null;
}

function checkRequires(reader: ManifestReader, drafts: ReadonlyMap<string, RoleDraft>): void {
  for (const role of drafts.values()) {
    for (const [name, node] of role.places) {
      if (!drafts.has(name)) {
        reader.problem(node, `role "${role.name}" requires "${name}", which is not defined`);
      }
    }
  }
  const finished = new Set<string>();
  const visit = (role: RoleDraft, path: readonly string[]): void => {
    if (finished.has(role.name)) return;
    for (const [name, node] of role.places) {
      const next = drafts.get(name);
      if (next === undefined) continue;
      const chain = [...path, role.name];
      const from = chain.indexOf(name);
      if (from < 0) visit(next, chain);
      else
        reader.problem(
          node,
          `roles require each other: ${[...chain.slice(from), name].join(" -> ")}`,
        );
    }
    finished.add(role.name);
  };
  for (const role of drafts.values()) visit(role, []);
}
