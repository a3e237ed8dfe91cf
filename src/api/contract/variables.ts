/** What the operator sets for the whole cluster: global vars, roles, and the settings of the manager itself. */
import { Type } from "typebox";
import {
  anyJson,
  closed,
  duration,
  nullableString,
  variables,
  version,
  type Wire,
} from "./wire.ts";

export const varsSchema = Type.Object({
  vars: Type.Record(Type.String(), anyJson),
  versions: Type.Record(Type.String(), version),
});
export type Vars = Wire<typeof varsSchema>;

export const varSchema = Type.Object({ key: Type.String(), value: anyJson, version });
export type Var = Wire<typeof varSchema>;
export const putVarRequest = Type.Object({ value: anyJson }, closed);
/** The bare object `{key: value | null}`. */
export const patchVarsRequest = variables;

const autoCommission = Type.Object(
  {
    selector: Type.String({ maxLength: 4096 }),
    roles: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { maxItems: 64 }),
  },
  closed,
);
const repair = Type.Enum(["off", "report", "auto"]);
const fence = Type.Object(
  {
    command: Type.Array(Type.String({ maxLength: 1024 }), {
      maxItems: 64,
      description: "program and arguments; the node's name is added; exit code 0: the host is off",
    }),
    timeout: duration,
  },
  closed,
);
const survivor = Type.Object(
  {
    auto: Type.Enum(["silence", "proof", "off"], {
      description: "when a group without a quorum goes on by itself",
    }),
    silence: duration,
    cold: duration,
    hold: Type.Boolean({ description: "nothing happens by itself" }),
    fence: Type.Union([fence, Type.Null()]),
  },
  closed,
);

export const settingsSchema = Type.Object({
  settings: Type.Object({
    autoCommission: Type.Union([autoCommission, Type.Null()]),
    repair,
    survivor,
  }),
  version,
});
export type SettingsAnswer = Wire<typeof settingsSchema>;
const survivorPatch = Type.Partial(
  Type.Object({
    ...survivor.properties,
    fence: Type.Union([Type.Partial(fence, closed), Type.Null()]),
  }),
  closed,
);
/** RFC 7396 merge patch of the settings object. */
export const patchSettingsRequest = Type.Object(
  {
    autoCommission: Type.Optional(Type.Union([Type.Partial(autoCommission, closed), Type.Null()])),
    repair: Type.Optional(repair),
    survivor: Type.Optional(survivorPatch),
  },
  closed,
);

const actionOfRole = Type.Object({ path: Type.String(), timeout: Type.String() });
export const roleSchema = Type.Object({
  name: Type.String(),
  definition: Type.Union(
    [
      Type.Object({
        runner: Type.String(),
        requires: Type.Array(Type.String()),
        actions: Type.Record(Type.String(), actionOfRole),
        secrets: Type.Array(Type.String()),
      }),
      Type.Null(),
    ],
    { description: "what the revision in force defines; null when it does not know the role" },
  ),
  revision: nullableString,
  vars: Type.Record(Type.String(), anyJson),
  policy: Type.Null({ description: "policy set by the operator" }),
  members: Type.Array(Type.String()),
  version,
});
export type Role = Wire<typeof roleSchema>;
export const rolesSchema = Type.Object({ items: Type.Array(roleSchema), next: nullableString });
export const putRoleRequest = Type.Object({ vars: variables }, closed);
