/**
 * Envelopes as bytes. Peers hand us commands to propose, and what is committed must be applied alike by
 * everybody: so decoding never throws, and answers either an envelope of a known shape or a refusal that is
 * the same on every agent of this schema version.
 */
import { Packr } from "msgpackr";
import {
  type CommandResult,
  type CommandType,
  type Envelope,
  isKnownSchema,
  schemaVersion,
} from "./commands.ts";
import { commandShapes, envelopeShape } from "./command-shapes.ts";
import { InventoryError } from "./errors.ts";
import { errorMessage } from "../base/errors.ts";
import { isPlainObject } from "./shape.ts";

/** No shared structures, no extension types on the way out, no views into the packet on the way in. */
export function newPackr(): Packr {
  return new Packr({ useRecords: false, moreTypes: false, mapsAsObjects: true, copyBuffers: true });
}

export type Decoded =
  | { readonly ok: true; readonly envelope: Envelope }
  | {
      readonly ok: false;
      /** SCHEMA_TOO_NEW: only a newer agent may judge this entry. */
      readonly code: "UNKNOWN_COMMAND" | "SCHEMA_TOO_NEW";
      readonly message: string;
    };

const packr = newPackr();

const float64 = 0xcb;
/** How an envelope begins that was encoded here: six fields, `v`, and `at` as a float64, which follows. */
const head = headOf({
  ...{ v: schemaVersion, at: 2 ** 41, by: "", origin: null, idempotency: null },
  command: { type: "config.refresh" },
});

/** As the encoder writes it: how it says that there are six fields is its own choice. */
function headOf(envelope: Envelope): Buffer {
  const bytes = Buffer.from(packr.pack(envelope));
  return bytes.subarray(0, bytes.indexOf(float64) + 1);
}

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const bytes = packr.pack(hasUndefined(envelope) ? withoutUndefined(envelope) : envelope);
  return Buffer.from(bytes); // a copy of its own: the encoder's buffer is much larger
}

export function decodeEnvelope(bytes: Uint8Array): Decoded {
  let value: unknown;
  try {
    // The decoder hangs a view of its own on what it is given, and entries of the log are kept.
    value = packr.unpack(bytes.subarray());
  } catch (error) {
    return unknown(`Entry is not msgpack: ${errorMessage(error)}`);
  }
  if (!isPlainObject(value)) return unknown("Entry is not an envelope");
  const version = value["v"];
  if (typeof version === "number" && version > schemaVersion) {
    return {
      ok: false,
      code: "SCHEMA_TOO_NEW",
      message: `Entry has schema version ${version}, this agent knows ${schemaVersion}; upgrade it`,
    };
  }
  if (!isKnownSchema(version)) return unknown("Entry has no schema version that ever was");
  const problem = envelopeShape(value, "envelope") ?? commandProblem(value["command"]);
  if (problem !== null) return unknown(`Entry has not the shape of a command: ${problem}`);
  return { ok: true, envelope: value as unknown as Envelope };
}

/**
 * What a leader proposes for the request of another agent: a command it can apply itself, with the leader's time.
 * @throws InventoryError COMMAND_INVALID, SCHEMA_TOO_NEW.
 */
export function admitEnvelope(bytes: Uint8Array, at: number): Uint8Array {
  const decoded = decodeEnvelope(bytes);
  if (decoded.ok) return stampEnvelope(bytes, at);
  const code = decoded.code === "SCHEMA_TOO_NEW" ? decoded.code : "COMMAND_INVALID";
  throw new InventoryError(code, decoded.message);
}

/** The same envelope with another time; `bytes` stay as they are, since an earlier attempt may be in the log. */
export function stampEnvelope(bytes: Uint8Array, at: number): Uint8Array {
  if (hasTimeInPlace(bytes)) {
    // Memory of its own: the log keeps it, and a piece of Node's pool would keep eight kilobytes with it.
    const stamped = Buffer.allocUnsafeSlow(bytes.byteLength);
    stamped.set(bytes);
    stamped.writeDoubleBE(at, head.length);
    return stamped;
  }
  const decoded = decodeEnvelope(bytes);
  return decoded.ok ? encodeEnvelope({ ...decoded.envelope, at }) : bytes;
}

/** When the sender of an envelope made it, by its own clock; null when that is not where it should be. */
export function sentAt(bytes: Uint8Array): number | null {
  if (!hasTimeInPlace(bytes)) return null;
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(head.length);
}

function hasTimeInPlace(bytes: Uint8Array): boolean {
  return bytes.byteLength >= head.length + 8 && head.every((byte, i) => bytes[i] === byte);
}

/** The answer to a committed entry that is no command. */
export function undecodable(index: number, message: string): CommandResult {
  return { ok: false, index, code: "UNKNOWN_COMMAND", message, details: {} };
}

function commandProblem(command: unknown): string | null {
  if (!isPlainObject(command)) return "command is not an object";
  const type = command["type"];
  if (typeof type !== "string" || !Object.hasOwn(commandShapes, type)) {
    return `command.type ${JSON.stringify(type)?.slice(0, 80) ?? ""} is unknown`;
  }
  return commandShapes[type as CommandType](command, "command");
}

function unknown(message: string): Decoded {
  return { ok: false, code: "UNKNOWN_COMMAND", message };
}

function hasUndefined(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.some(hasUndefined);
  return isPlainObject(value) && Object.values(value).some(hasUndefined);
}

/** An absent field and an undefined one are the same; msgpack would need an extension type for the latter. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (!isPlainObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) result[key] = withoutUndefined(member);
  }
  return result;
}
