/**
 * `keyring`: the keys of gossip's datagrams, which the cluster shares as it shares everything: by the log. A rotation
 * goes install → use → remove, each step a command of its own: a key seals only when everybody can open with it, and
 * goes only when nobody seals with it. The leader takes the steps when members say in their signed records that they
 * are ready. The secrets are shown nowhere. Class S: of two lineages the higher epoch wins.
 */
import { type JsonObject } from "../base/json.ts";
import { type CommandOf } from "./command-shapes.ts";
import { type Draft } from "./draft.ts";
import { checkPattern } from "./names.ts";
import { type Handlers, type Outcome, done, invalid, refuse } from "./outcome.ts";
import { list, natural, nullable, object, oneOf, text } from "./shape.ts";

export interface KeyringKey {
  /** 1, 2, 3, …: the epoch in which it was made. */
  readonly id: number;
  /** 32 bytes, hex. */
  readonly secret: string;
  readonly createdAt: number;
  /** Raft index of the command that made it, 0 in another history: members evicted later know it. */
  readonly createdIndex: number;
}

export interface KeyringRecord {
  /** One, and a second one during a rotation. */
  readonly keys: readonly KeyringKey[];
  /** Id of the key that seals. */
  readonly sealing: number;
  /** Highest id ever given. */
  readonly epoch: number;
  /** `install`: members learn the new key; `use`: they begin to seal with it. */
  readonly rotation: {
    readonly key: number;
    readonly step: "install" | "use";
    readonly startedAt: number;
    readonly by: string;
  } | null;
  /** When the last rotation was complete. */
  readonly rotatedAt: number | null;
  readonly version: number;
}

const rotation = object<NonNullable<KeyringRecord["rotation"]>>({
  key: natural,
  step: oneOf("install", "use"),
  startedAt: natural,
  by: text,
});

/** What the record must look like when it comes from elsewhere. */
export const keyringRecord = object<KeyringRecord>({
  keys: list(
    object<KeyringKey>({ id: natural, secret: text, createdAt: natural, createdIndex: natural }),
  ),
  sealing: natural,
  epoch: natural,
  rotation: nullable(rotation),
  rotatedAt: nullable(natural),
  version: natural,
});

/** What must hold of a ring beyond its shape; null when all does. */
export function keyringProblem({ keys, sealing, epoch }: KeyringRecord): string | null {
  if (keys.length < 1 || keys.length > 2) return `the key ring has ${keys.length} keys`;
  if (!keys.some(({ id }) => id === sealing)) return `key ${sealing} is not on the ring`;
  if (keys.some(({ id }) => id > epoch)) return `a key is newer than epoch ${epoch}`;
  return keys.map(({ secret }) => checkSecret(secret)).find((problem) => problem !== null) ?? null;
}

type Change = CommandOf<"keyring.change">;

export const keyringHandlers: Handlers<"keyring.change"> = {
  "keyring.change": (draft, command) => {
    const ring = draft.view.keyring();
    if (ring === null) return create(draft, command);
    switch (command.step) {
      case "create":
        return answer(ring);
      case "install":
        return install(draft, ring, command);
      case "use":
        return use(draft, ring, command);
      case "remove":
        return remove(draft, ring, command);
    }
  },
};

function create(draft: Draft, { step, key, secret }: Change): Outcome {
  if (step !== "create" && step !== "install") return noRotation(key);
  const problem = checkSecret(secret);
  if (problem !== null) return invalid("make the key ring", problem);
  const keys = [newKey(draft, 1, secret)];
  const ring = { keys, sealing: 1, epoch: 1, rotation: null, rotatedAt: null };
  draft.put("keyring", "", ring);
  draft.emit("keyring.created", "keyring", "first key of gossip's datagrams made");
  return answer(ring);
}

function install(draft: Draft, ring: KeyringRecord, { key, secret }: Change): Outcome {
  if (ring.rotation !== null) {
    const message = `Key ${ring.rotation.key} is being rotated in since its step "${ring.rotation.step}"; wait for the end of it`;
    return refuse("CONFLICT", message, { key: ring.rotation.key, step: ring.rotation.step });
  }
  if (key !== ring.epoch + 1) {
    return refuse("CONFLICT", `Key ${key} is not the next one after ${ring.epoch}; try again`);
  }
  const problem = checkSecret(secret);
  if (problem !== null) return invalid("rotate the keys", problem);
  const added = newKey(draft, key, secret);
  const started = { key, step: "install", startedAt: draft.at, by: draft.by } as const;
  const next = { ...ring, keys: [...ring.keys, added], epoch: key, rotation: started };
  draft.put("keyring", "", next);
  draft.emit("keyring.rotating", "keyring", `rotation to key ${key} of gossip's datagrams begun`, {
    key,
  });
  return answer(next);
}

function use(draft: Draft, ring: KeyringRecord, { key }: Change): Outcome {
  const { rotation: current } = ring;
  if (current?.step !== "install" || current.key !== key) return noRotation(key);
  const next = { ...ring, sealing: key, rotation: { ...current, step: "use" as const } };
  draft.put("keyring", "", next);
  return answer(next);
}

function remove(draft: Draft, ring: KeyringRecord, { key }: Change): Outcome {
  const { rotation: current } = ring;
  if (current?.step !== "use" || current.key !== key) return noRotation(key);
  const keys = ring.keys.filter(({ id }) => id === ring.sealing);
  const next = { ...ring, keys, rotation: null, rotatedAt: draft.at };
  draft.put("keyring", "", next);
  draft.emit("keyring.rotated", "keyring", `key ${key} of gossip's datagrams is the only one now`, {
    key,
  });
  return answer(next);
}

function newKey(draft: Draft, id: number, secret: string | null): KeyringKey {
  return { id, secret: secret ?? "", createdAt: draft.at, createdIndex: draft.index };
}

function noRotation(key: number): Outcome {
  return refuse("CONFLICT", `No rotation of keys waits for this step with key ${key}`, { key });
}

function checkSecret(secret: string | null): string | null {
  return checkPattern("secret", secret ?? "", /^[0-9a-f]{64}$/);
}

/** Where the ring stands; never what is in it. */
function answer(ring: Omit<KeyringRecord, "version">): Outcome {
  const value: JsonObject = { epoch: ring.epoch, sealing: ring.sealing };
  return done({ ...value, step: ring.rotation?.step ?? null });
}
