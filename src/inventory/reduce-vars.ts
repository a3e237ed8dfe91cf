/** Global variables, what the operator sets of roles, and the settings of the manager itself. */
import { type Json, type JsonObject, canonicalJson, equalJson, mergePatch } from "../base/json.ts";
import { type CommandType } from "./commands.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import {
  type Handlers,
  type Outcome,
  done,
  invalid,
  notFound,
  refuse,
  versionRefusal,
} from "./outcome.ts";
import { type Settings } from "./records.ts";
import { checkJson, checkName, checkNames, checkVarKey, checkVars, firstProblem } from "./names.ts";
import { errorMessage } from "../base/errors.ts";
import { limits } from "./limits.ts";
import { parseSelector } from "./selector-parser.ts";
import { survivorProblem } from "./survivor-settings.ts";

export const varHandlers: Handlers<
  Extract<
    CommandType,
    "var.put" | "var.delete" | "vars.patch" | "role.put" | "role.delete" | "settings.put"
  >
> = {
  "var.put": putVar,
  "var.delete": deleteVar,
  "vars.patch": patchVars,
  "role.put": putRole,
  "role.delete": deleteRole,
  "settings.put": putSettings,
};

function putVar(draft: Draft, { key, value, ifVersion }: CommandOf<"var.put">): Outcome {
  const current = draft.view.variable(key);
  const stale = versionRefusal(`variable "${key}"`, ifVersion, current?.version ?? 0);
  if (stale !== null) return stale;
  return writeVar(draft, key, value) ?? done({ version: versionOf(draft, key) });
}

function versionOf(draft: Draft, key: string): number {
  return draft.view.variable(key)?.version ?? 0;
}

/** Null when the variable has the value now; writing the value it has changes nothing. */
function writeVar(draft: Draft, key: string, value: Json): Outcome | null {
  const problem = checkVarKey(key) ?? checkJson(`variable "${key}"`, value, limits.varsBytes);
  if (problem !== null) return invalid("write the variable", problem);
  const current = draft.view.variable(key);
  if (current !== null && equalJson(current.value, value)) return null;
  if (current === null && draft.view.count("var") >= limits.globals) {
    return refuse("LIMIT", `Cannot add variable "${key}": there are ${limits.globals} already`);
  }
  draft.put("var", key, { key, value });
  draft.emit("var.changed", `var/${key}`, `Variable "${key}" set`);
  return null;
}

function deleteVar(draft: Draft, { key, ifVersion }: CommandOf<"var.delete">): Outcome {
  const current = draft.view.variable(key);
  if (current === null) return notFound("variable", key);
  const stale = versionRefusal(`variable "${key}"`, ifVersion, current.version);
  if (stale !== null) return stale;
  removeVar(draft, key);
  return done();
}

function removeVar(draft: Draft, key: string): void {
  draft.delete("var", key);
  draft.emit("var.deleted", `var/${key}`, `Variable "${key}" deleted`);
}

function patchVars(draft: Draft, { patch }: CommandOf<"vars.patch">): Outcome {
  const problem = firstProblem(Object.keys(patch), checkVarKey);
  if (problem !== null) return invalid("change the variables", problem);
  const versions: Record<string, number> = {};
  for (const [key, value] of Object.entries(patch)) {
    const current = draft.view.variable(key);
    if (value === null) {
      if (current !== null) removeVar(draft, key);
      continue;
    }
    const refusal = writeVar(draft, key, mergePatch(current?.value, value));
    if (refusal !== null) return refusal;
    versions[key] = versionOf(draft, key);
  }
  return done({ versions });
}

function putRole(draft: Draft, { role, vars, ifVersion }: CommandOf<"role.put">): Outcome {
  const current = draft.view.role(role);
  const stale = versionRefusal(`role "${role}"`, ifVersion, current?.version ?? 0);
  if (stale !== null) return stale;
  const problem = checkName("role", role) ?? checkVars("vars", vars);
  if (problem !== null) return invalid(`write role "${role}"`, problem);
  if (current === null || !equalJson(current.vars, vars)) {
    if (current === null && draft.view.count("role") >= limits.globals) {
      return refuse("LIMIT", `Cannot add role "${role}": there are ${limits.globals} already`);
    }
    draft.put("role", role, { name: role, vars });
    const keys = Object.keys(vars).sort();
    draft.emit("role.changed", `role/${role}`, `Vars of role "${role}" set`, { keys });
  }
  return done({ version: draft.view.role(role)?.version ?? 0 });
}

function deleteRole(draft: Draft, { role, ifVersion }: CommandOf<"role.delete">): Outcome {
  const current = draft.view.role(role);
  if (current === null) return notFound("role", role);
  const stale = versionRefusal(`role "${role}"`, ifVersion, current.version);
  if (stale !== null) return stale;
  draft.delete("role", role);
  draft.emit("role.deleted", `role/${role}`, `Vars of role "${role}" deleted`);
  return done();
}

function putSettings(draft: Draft, command: CommandOf<"settings.put">): Outcome {
  const current = draft.view.settings();
  const { ifVersion } = command;
  // A command that does not name them leaves the survivor settings as they are.
  const survivor = command.settings.survivor ?? current.settings.survivor;
  const settings = { ...command.settings, ...(survivor === undefined ? {} : { survivor }) };
  const stale = versionRefusal("the settings", ifVersion, current.version);
  if (stale !== null) return stale;
  const problem = settingsProblem(settings);
  if (problem !== null) return invalid("change the settings", problem);
  if (canonicalJson(current.settings) !== canonicalJson(settings)) {
    draft.put("settings", "", { settings });
    const data = { from: current.settings, to: settings } as unknown as JsonObject;
    draft.emit("settings.changed", "settings", "Settings changed", data);
  }
  return done({ version: draft.view.settings().version });
}

/** Null when the settings may be in force. */
export function settingsProblem({ autoCommission, survivor }: Settings): string | null {
  const problem = survivor === undefined ? null : survivorProblem(survivor);
  if (problem !== null || autoCommission === null) return problem;
  const { selector, roles } = autoCommission;
  try {
    parseSelector(selector);
  } catch (error) {
    return `autoCommission.selector: ${errorMessage(error)}`;
  }
  return checkNames("role of autoCommission", roles, limits.rolesPerNode);
}
