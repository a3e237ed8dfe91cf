/** The config file: a flat YAML mapping of option keys to texts. Everything else in it is an error that says where. */
import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { AgentError, errorCode, errorMessage } from "../base/errors.ts";
import { nearestWord } from "../base/nearest.ts";
import { type AgentCode } from "./errors.ts";
import { configKey, type OptionSpec, optionTable } from "./option-table.ts";

/** Values by key; one, but for options that can be repeated. */
export type ConfigFile = ReadonlyMap<string, readonly string[]>;

/**
 * Reads `file`; one that does not exist is empty unless it was asked for.
 * @throws AgentError CONFIG_INVALID.
 */
export async function readConfigFile(file: string, isAsked: boolean): Promise<ConfigFile> {
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    if (!isAsked && errorCode(error) === "ENOENT") return "";
    throw invalid(`Cannot read config file "${file}": ${errorMessage(error)}`);
  });
  // Scalars stay as they are written: the name 007 is not the number 7.
  const document = parseDocument(content, { schema: "failsafe" });
  const [problem] = document.errors;
  if (problem !== undefined) throw invalid(`Config file "${file}": ${problem.message}`);
  const parsed: unknown = document.toJS({ maxAliasCount: 0 });
  if (parsed === null || parsed === undefined || parsed === "") return new Map();
  if (typeof parsed !== "object" || Array.isArray(parsed)) {
    throw invalid(`Config file "${file}" is not a mapping of option names to values`);
  }
  const entries = Object.entries(parsed) as [string, unknown][];
  return new Map(entries.map(([key, value]) => [key, valuesOf(file, specOf(file, key), value)]));
}

function specOf(file: string, key: string): OptionSpec {
  const specs: readonly OptionSpec[] = optionTable.filter(({ flag }) => flag !== "config");
  const found = specs.find(({ flag }) => configKey(flag) === key);
  if (found !== undefined) return found;
  const known = specs.map(({ flag }) => configKey(flag));
  const near = nearestWord(key, known);
  const hint = near === null ? `known keys: ${known.join(", ")}` : `did you mean "${near}"?`;
  throw invalid(`Config file "${file}": unknown key "${key}"; ${hint}`);
}

function valuesOf(file: string, spec: OptionSpec, value: unknown): readonly string[] {
  const values: readonly unknown[] =
    spec.repeatable === true && Array.isArray(value) ? value : [value];
  return values.map((item) => {
    if (typeof item === "string" && item !== "") return item;
    const expected = spec.repeatable === true ? "a text or a list of texts" : "one text or number";
    throw invalid(`Config file "${file}": "${configKey(spec.flag)}" needs ${expected}`);
  });
}

function invalid(message: string): AgentError<AgentCode> {
  return new AgentError("CONFIG_INVALID", message);
}
