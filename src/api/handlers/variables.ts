/** Global vars, settings and roles: what the operator sets for the whole cluster. */
import { mergePatch } from "../../base/json.ts";
import { type InventoryView } from "../../inventory/view.ts";
import { type ApiContext } from "../context.ts";
import { type Role, type SettingsAnswer, type Var } from "../contract/variables.ts";
import {
  type ApiRequest,
  expectation,
  type Handlers,
  type Reply,
  submitFor,
  write,
  written,
  writtenVersion,
} from "../handler.ts";
import { ApiError } from "../problems.ts";
import { parseSettings, settingsBody } from "../settings-body.ts";
import { toRole, toRoles, toVar, toVars, toWrittenRole, toWrittenVar } from "../views/config.ts";
import { keepMasked, refuseMasked, secretNames } from "../views/secrets.ts";

type VariableRoutes =
  | "listVars"
  | "patchVars"
  | "getVar"
  | "putVar"
  | "deleteVar"
  | "getSettings"
  | "patchSettings"
  | "listRoles"
  | "getRole"
  | "putRole"
  | "deleteRole";

export const variableHandlers: Handlers<VariableRoutes> = {
  listVars: (_, { view }) => ({ value: toVars(view) }),

  patchVars: async (request, context) => {
    const patch = request.body;
    refuseMasked(patch, secretNames(context.view));
    await write(context, request, { type: "vars.patch", patch });
    return { value: toVars(context.view) };
  },

  getVar: ({ params }, { view }) => varReply(view, params.key),

  putVar: async (request, context) => {
    const { key } = request.params;
    const { value } = request.body;
    refuseMasked({ [key]: value }, secretNames(context.view));
    const expect = expectation(request);
    const result = await write(context, request, { type: "var.put", key, value, ...expect });
    const version = writtenVersion(context, result);
    return written(toWrittenVar(context.view, { key, value, version }), version);
  },

  deleteVar: async (request, context) => {
    const { key } = request.params;
    await write(context, request, { type: "var.delete", key, ...expectation(request) });
    return { value: undefined };
  },

  getSettings: (_, { view }) => settingsReply(view),

  patchSettings: async (request, context) => patchSettings(request, context),

  listRoles: (_, { view }) => ({ value: { items: toRoles(view), next: null } }),

  getRole: ({ params }, { view }) => roleReply(view, params.role),

  putRole: async (request, context) => {
    const { role } = request.params;
    const stored = context.view.role(role)?.vars ?? {};
    const vars = keepMasked(request.body.vars, stored, secretNames(context.view));
    const expect = expectation(request);
    const result = await write(context, request, { type: "role.put", role, vars, ...expect });
    const version = writtenVersion(context, result);
    return written(toWrittenRole(context.view, { name: role, vars, version }), version);
  },

  deleteRole: async (request, context) => {
    const { role } = request.params;
    await write(context, request, { type: "role.delete", role, ...expectation(request) });
    return { value: undefined };
  },
};

const mergeAttempts = 5;

/**
 * Settings are one record: the patch is merged here, and written only over the version it was merged with, so
 * that two patches of different settings never undo one another.
 */
async function patchSettings(
  request: ApiRequest<"patchSettings">,
  context: ApiContext,
): Promise<Reply<SettingsAnswer>> {
  for (let attempt = 1; ; attempt += 1) {
    const { settings, version } = context.view.settings();
    const merged = mergePatch(settingsBody(settings), request.body);
    const ifVersion = request.condition?.index ?? version;
    const command = { type: "settings.put", settings: parseSettings(merged), ifVersion } as const;
    const result = await submitFor(context, request, command);
    if (result.ok) {
      const made = writtenVersion(context, result);
      return written({ settings: settingsBody(command.settings), version: made }, made);
    }
    const lostRace = request.condition === undefined && result.code === "VERSION_MISMATCH";
    if (!lostRace || attempt >= mergeAttempts) {
      const code = lostRace ? "CONFLICT" : result.code;
      throw new ApiError(code, result.message, result.details);
    }
  }
}

function settingsReply(view: InventoryView): Reply<SettingsAnswer> {
  const { settings, version } = view.settings();
  return { value: { settings: settingsBody(settings), version }, version };
}

function varReply(view: InventoryView, key: string): Reply<Var> {
  const value = toVar(view, key);
  if (value === null) throw new ApiError("NOT_FOUND", `There is no variable "${key}"`, { key });
  return { value, version: value.version };
}

function roleReply(view: InventoryView, name: string): Reply<Role> {
  const role = toRole(view, name);
  if (role === null) throw new ApiError("NOT_FOUND", `There is no role "${name}"`, { role: name });
  return { value: role, version: role.version };
}
