/**
 * Checks what comes in against the contract's schemas. A refusal names every bad field; an unknown one is answered
 * with the nearest known one, as a typing error is the likely cause.
 */
import { type TSchema } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { nearestWord } from "../base/nearest.ts";
import { type ProblemEntry } from "./contract/problem.ts";
import { durationPattern } from "./contract/wire.ts";
import { ApiError } from "./problems.ts";

interface SchemaError {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

/** Returns the value when it fits. @throws ApiError INVALID_REQUEST, UNKNOWN_FIELD. */
export type Check = (value: unknown) => unknown;

const mostProblems = 20;

/** `what` is how messages call the value: "body", "query". Compiled when first used, so that agents start fast. */
export function compileCheck(schema: TSchema, what: string): Check {
  let compiled: Validator | null = null;
  return (value) => {
    compiled ??= Compile(schema);
    if (compiled.Check(value)) return value;
    throw refusal({ schema, what, value }, compiled.Errors(value));
  };
}

/**
 * Texts of a query as what the schema asks for: numbers and booleans. A key given twice is refused. `consistency`,
 * which every route knows, is left to the caller.
 */
export function convertQuery(schema: TSchema, query: Readonly<Record<string, unknown>>): object {
  const properties = propertiesOf(schema);
  const converted: Record<string, unknown> = {};
  for (const key of Object.keys(query)) {
    if (key === "consistency") continue;
    const value = query[key];
    if (typeof value !== "string") {
      throw new ApiError("INVALID_REQUEST", `Query parameter "${key}" is given more than once`);
    }
    converted[key] = convert(value, properties?.[key]);
  }
  return converted;
}

function convert(text: string, schema: unknown): unknown {
  const type = isJsonObject(schema) ? schema["type"] : undefined;
  if (type === "integer" && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (type === "boolean" && (text === "true" || text === "1")) return true;
  if (type === "boolean" && (text === "false" || text === "0")) return false;
  return text;
}

/**
 * The parts of a union fail one by one, and the union itself is reported once: but as what is wrong inside of the
 * value, where one of its parts went so far.
 */
function isOfUnion(error: SchemaError, errors: readonly SchemaError[]): boolean {
  const isInside = (one: SchemaError, union: SchemaError): boolean =>
    union.keyword === "anyOf" &&
    one.schemaPath.startsWith(`${union.schemaPath}/anyOf/`) &&
    one.instancePath.startsWith(`${union.instancePath}/`);
  if (error.keyword === "anyOf" && errors.some((one) => isInside(one, error))) return true;
  if (!/\/anyOf\/\d/.test(error.schemaPath)) return false;
  return !errors.some((union) => isInside(error, union));
}

interface Refused {
  readonly schema: TSchema;
  readonly what: string;
  readonly value: unknown;
}

function refusal({ schema, what, value }: Refused, errors: readonly SchemaError[]): ApiError {
  const unknown = errors.find((error) => error.keyword === "additionalProperties");
  if (unknown !== undefined) return unknownField(schema, what, unknown);
  const problems: ProblemEntry[] = [];
  const seen = new Set<string>();
  for (const error of errors) {
    const field = fieldName(error.instancePath, error);
    if (isOfUnion(error, errors) || seen.has(field)) continue;
    seen.add(field);
    const where = field === "" ? `The ${what}` : `"${field}"`;
    problems.push({
      field,
      message: `${where} ${explain(schema, error)}${unitHint(schema, error, value)}`,
    });
  }
  const shown = problems.slice(0, mostProblems);
  const detail = `The ${what} is not valid: ${shown.map(({ message }) => message).join("; ")}`;
  return new ApiError("INVALID_REQUEST", detail, { problems: shown });
}

function unknownField(schema: TSchema, what: string, error: SchemaError): ApiError {
  const listed = (error.params as { readonly additionalProperties?: readonly string[] })
    .additionalProperties;
  const key = listed?.[0] ?? "";
  const known = Object.keys(propertiesOf(resolve(schema, error.schemaPath)) ?? {});
  const near = nearestWord(key, known);
  const hint =
    near === null
      ? `known: ${known.join(", ") || "none"}`
      : `did you mean "${near}"? (known: ${known.join(", ")})`;
  const field = [...pointerParts(error.instancePath), key].join(".");
  const message = `The ${what} has no field "${field}"; ${hint}`;
  return new ApiError("UNKNOWN_FIELD", message, { problems: [{ field, message }] });
}

function explain(schema: TSchema, error: SchemaError): string {
  const part = resolve(schema, error.schemaPath);
  if (error.keyword === "enum" && isJsonObject(part) && Array.isArray(part["enum"])) {
    return `must be one of ${part["enum"].join(", ")}`;
  }
  if (error.keyword === "required") return "is missing";
  if (isPatterned(part) && (error.keyword === "pattern" || error.keyword === "type")) {
    const description = part["description"];
    if (typeof description === "string") return `must be a ${description}`;
  }
  if (error.keyword === "anyOf" && isJsonObject(part)) {
    const description = part["description"];
    if (typeof description === "string") return `must be ${description}`;
  }
  return error.message;
}

function isPatterned(part: unknown): part is JsonObject {
  return isJsonObject(part) && typeof part["pattern"] === "string";
}

/** A bare number where a duration is due: most likely its unit was left out. */
function unitHint(schema: TSchema, error: SchemaError, value: unknown): string {
  const part = resolve(schema, error.schemaPath);
  if (!isPatterned(part) || part["pattern"] !== durationPattern) return "";
  const given = resolve(value, error.instancePath);
  if (typeof given !== "string" && typeof given !== "number") return "";
  return /^\d+(\.\d+)?$/.test(String(given)) ? `; did you mean ${given}s?` : "";
}

function fieldName(instancePath: string, error: SchemaError): string {
  const parts = [...pointerParts(instancePath)];
  if (error.keyword === "required") {
    const { requiredProperties } = error.params as { requiredProperties?: readonly string[] };
    if (requiredProperties?.[0] !== undefined) parts.push(requiredProperties.join(", "));
  }
  return parts.join(".");
}

function pointerParts(pointer: string): readonly string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The part of `schema` that a JSON pointer such as `#/properties/a` names. */
function resolve(schema: unknown, pointer: string): unknown {
  let part: unknown = schema;
  for (const key of pointerParts(pointer)) {
    if (typeof part !== "object" || part === null) return null;
    part = (part as Readonly<Record<string, unknown>>)[key];
  }
  return part;
}

function propertiesOf(schema: unknown): Readonly<Record<string, unknown>> | null {
  if (!isJsonObject(schema)) return null;
  const properties = schema["properties"];
  return isJsonObject(properties) ? properties : null;
}
