/** Shapes of the parts of records that travel inside commands. */
import { type PeerId } from "../base/ids.ts";
import { type JsonObject } from "../base/json.ts";
import { type Condition, conditionTypes } from "./conditions.ts";
import {
  type CurrentRun,
  type Facts,
  type FinishedRun,
  type Manifest,
  type Phase,
  type RoleAction,
  type RoleSpec,
  type RunRef,
  type Settings,
  type Strategy,
  phases,
} from "./records.ts";
import { type SurvivorSettings, survivorPolicies } from "./survivor-settings.ts";
import {
  type Shape,
  brand,
  dictionary,
  either,
  flag,
  integer,
  json,
  list,
  natural,
  nullable,
  number,
  object,
  oneOf,
  optional,
  text,
} from "./shape.ts";

export const peerId = brand<PeerId>();
export const phase: Shape<Phase> = oneOf(...phases);
export const texts = list(text);
export const jsonObject: Shape<JsonObject> = dictionary(json);
export const actionName = oneOf("configure", "verify", "cleanup", "upgrade");

export const facts = object<Facts>({
  hostname: text,
  os: text,
  osVersion: text,
  kernel: text,
  arch: text,
  bootId: text,
  serial: text,
  machineId: text,
  cpu: object<Facts["cpu"]>({ model: text, count: number }),
  memory: object<Facts["memory"]>({ totalBytes: number }),
  disks: list(object<Facts["disks"][0]>({ name: text, sizeBytes: number, rotational: flag })),
  filesystems: list(
    object<Facts["filesystems"][0]>({ mount: text, type: text, sizeBytes: number }),
  ),
  nics: list(object<Facts["nics"][0]>({ name: text, mac: text, addresses: texts })),
  virtualization: text,
  agentVersion: text,
  pythonPath: nullable(text),
});

export const settings = object<Settings>({
  autoCommission: nullable(
    object<NonNullable<Settings["autoCommission"]>>({ selector: text, roles: texts }),
  ),
  repair: oneOf("off", "report", "auto"),
  survivor: optional(
    object<SurvivorSettings>({
      auto: oneOf(...survivorPolicies),
      silenceMs: natural,
      coldMs: natural,
      hold: flag,
      fence: nullable(
        object<NonNullable<SurvivorSettings["fence"]>>({ command: texts, timeoutMs: natural }),
      ),
    }),
  ),
});

export const strategy = object<Strategy>({
  batch: either(integer, text),
  canary: nullable(either(integer, text)),
  maxFailures: natural,
  onFailure: oneOf("continue", "pause"),
});

const roleAction = object<RoleAction>({ path: text, timeoutMs: natural });

export const manifest = object<Manifest>({
  vars: jsonObject,
  roles: dictionary(
    object<RoleSpec>({
      name: text,
      runner: oneOf("script"),
      requires: texts,
      actions: object<RoleSpec["actions"]>({
        configure: optional(roleAction),
        verify: optional(roleAction),
        cleanup: optional(roleAction),
        upgrade: optional(roleAction),
      }),
      secrets: texts,
    }),
  ),
});

const runRef = { id: text, role: text, action: actionName, attempt: natural } satisfies {
  readonly [K in keyof RunRef]: Shape<RunRef[K]>;
};

export const currentRun = object<CurrentRun>({
  ...runRef,
  revision: text,
  begunAt: natural,
  timeoutMs: natural,
});

export const finishedRunFields = {
  ...runRef,
  revision: text,
  outcome: oneOf("succeeded", "drifted", "failed", "timed-out", "cancelled", "lost"),
  exitCode: nullable(integer),
  signal: nullable(integer),
  startedAt: natural,
  endedAt: natural,
  message: text,
} satisfies { readonly [K in keyof FinishedRun]: Shape<FinishedRun[K]> };
export const finishedRun = object<FinishedRun>(finishedRunFields);

export const condition = object<Omit<Condition, "since">>({
  type: oneOf(...conditionTypes),
  status: oneOf("True", "Drifted", "Broken", "Unknown", "False"),
  reason: text,
  message: text,
});
